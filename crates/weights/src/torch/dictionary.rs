//! Where in a checkpoint the tensors lie.

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::{Object, Pickled, Storage, Value};
use super::{Flaw, strided};
use crate::checkpoint::Contents;

/// Members that hold the network's tensors, the first that does is taken: PyTorch's own habit and MANet's and SDUMC's;
/// of PyTorch's tutorials; fairseq's and unilm's (WavLM). What stands beside them (`optimizer`, `epoch`, `cfg`, a best
/// score stored as a tensor) is left alone. A dictionary without such a member holds the tensors itself.
const MEMBERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Members of members are looked at, no deeper.
const DEEPEST: usize = 3;

type Entries<'o, 'p> = &'o [(Value<'p>, Value<'p>)];

/// The tensors of the dictionary that holds them. `place` says where in the file a storage lies.
pub(super) fn contents<'p>(
    pickled: &Pickled<'p>,
    place: impl Fn(&Storage<'p>) -> Result<Range<usize>, Flaw>,
) -> Result<Contents, Flaw> {
    let entries = find(pickled, pickled.root, DEEPEST).ok_or_else(|| Flaw::Refused {
        is: format!(
            "a PyTorch file without a dictionary of tensors: it holds {}",
            pickled.kind(pickled.root)
        ),
        remedy: "save the network's state dictionary: torch.save(network.state_dict(), ...)",
    })?;
    // Of two entries with one name the later counts, as in Python.
    let mut named = BTreeMap::new();
    let mut contents = Contents::default();
    for (key, value) in entries {
        match key {
            Value::Text(name) => drop(named.insert(*name, *value)),
            _ => contents.others.push((format!("{key:?}"), pickled.kind(*value))),
        }
    }
    for (name, value) in named {
        match pickled.object(value) {
            Some(Object::Tensor(tensor)) => {
                let place = place(&tensor.storage)?;
                contents.tensors.push(strided::locate(name, tensor, &place)?);
            }
            _ => contents.others.push((name.to_owned(), pickled.kind(value))),
        }
    }
    Ok(contents)
}

fn find<'o, 'p>(pickled: &'o Pickled<'p>, value: Value<'p>, depth: usize) -> Option<Entries<'o, 'p>> {
    let Object::Dict(entries) = pickled.object(value)? else { return None };
    let member = |wanted: &str| {
        let member = entries.iter().rev().find(|(key, _)| *key == Value::Text(wanted));
        member.and_then(|(_, value)| find(pickled, *value, depth.checked_sub(1)?))
    };
    let inner = MEMBERS.iter().find_map(|wanted| member(wanted));
    let holds =
        |(_, value): &(Value<'p>, Value<'p>)| matches!(pickled.object(*value), Some(Object::Tensor(_)));
    inner.or_else(|| entries.iter().any(holds).then_some(entries.as_slice()))
}
