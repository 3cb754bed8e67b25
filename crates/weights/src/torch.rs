//! PyTorch's checkpoint files, read without executing anything.
//!
//! | module | holds |
//! |---|---|
//! | `zip` | the directory of a zip archive: torch 1.6 and later |
//! | `legacy` | pickles and raw storages one after another: before torch 1.6 |
//! | `pickle` | the machine that takes a pickle apart; `opcodes` names its instructions |
//! | `globals` | which names a pickle may mention, use, or call, and what becomes of them |
//! | `value` | what the machine makes |
//! | `dictionary` | where in a checkpoint the tensors lie |
//! | `strided` | from a tensor's storage, sizes and strides to bytes of the file |
//!
//! # What a pickle may do
//!
//! Nothing. Its instructions build a tree of plain values. A call of one of the few functions that tensors need
//! (`torch._utils._rebuild_tensor_v2` and its kin, `collections.OrderedDict`, `torch.Size`) is carried out by code of
//! this module. A call of a class of plain data that training scripts leave in checkpoints (`argparse.Namespace`,
//! NumPy scalars, configurations of fairseq, omegaconf and the like) becomes a value that nothing can be done with. A
//! call of anything else is an error that names it, wherever it stands and whether or not it matters for the tensors:
//! such a file is made to harm whoever opens it with PyTorch.

mod dictionary;
mod flaw;
mod globals;
mod legacy;
mod machine;
mod opcodes;
mod pickle;
mod strided;
mod value;
mod zip;

pub(crate) use flaw::Flaw;
pub(crate) use legacy::{MAGIC, read as legacy};

use crate::checkpoint::Contents;
use value::Storage;

/// Reads the tensors of a zip archive.
pub(crate) fn zipped(bytes: &[u8]) -> Result<Contents, Flaw> {
    let archive = zip::Archive::read(bytes)?;
    if archive.has("constants.pkl") {
        return Err(Flaw::Refused {
            is: "a TorchScript program".into(),
            remedy: "save its state dictionary: torch.save(torch.jit.load(file).state_dict(), ...)",
        });
    }
    if archive.has("byteorder") && archive.record("byteorder")? != b"little" {
        return Err(Flaw::big_endian());
    }
    let pickled = pickle::load(archive.record("data.pkl")?)?;
    let place = |storage: &Storage| archive.range(&format!("data/{}", storage.key));
    dictionary::contents(&pickled, place)
}
