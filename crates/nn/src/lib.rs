//! Building blocks that several networks share.
//!
//! | module | holds |
//! |---|---|
//! | [`cbam`] | [`Gates`](cbam::Gates): gates of channels and places, one kernel on a card |
//! | [`conv`] | [`Conv1d`](conv::Conv1d), [`GroupedConv1d`](conv::GroupedConv1d): channels last, one matrix product each |
//! | [`conv2d`] | [`Conv2d`](conv2d::Conv2d): channels last, with bias, residual and ReLU in one pass |
//! | [`gated_attention`] | self-attention with a relative position bias that each query gates |
//! | [`device`] | NVIDIA cards: opened with one stream, their memory, their errors |
//! | [`dropout`] | [`Dropout`](dropout::Dropout): masks that follow from a key, whatever computes them |
//! | [`frames`] | [`Resize`](frames::Resize): pictures as Pillow resizes them, on a card; the weights for both devices |
//! | [`mod@gelu`] | [`gelu`](gelu::gelu): exact GELU for vector loops |
//! | [`finite`] | [`gated`](finite::gated): NaN and infinity never leave a network, and the first bad layer is named |
//! | [`exp`] | [`exp`](exp::exp) for vector loops |
//! | `kernels` | our kernels for NVIDIA cards (`cuda/*.cu`), and how they are launched |
//! | [`lengths`] | [`Lengths`](lengths::Lengths): the valid part of each sequence of a padded batch |
//! | [`linear`] | [`Linear`](linear::Linear): its weight laid out for the CPU's matrix kernels, with what follows it |
//! | [`kv_cache`] | [`KvCache`](kv_cache::KvCache): keys and values of past positions, in slots that texts share, and attention over them |
//! | [`many`] | what an optimiser and a gate do with many tensors, in one launch on a card |
//! | `node` | operations of ours in candle's graph, for cards |
//! | [`norm`] | [`LayerNorm`](norm::LayerNorm), alone or with GELU behind it |
//! | [`masked_softmax`] | softmax of attention scores behind a mask |
//! | [`maps`] | pooling, gates and sums of feature maps, channels last |
//! | [`mod@relu`] | [`relu`](relu::relu): a ReLU that does not hide NaN |
//! | [`quantized`] | [`Quantized`](quantized::Quantized): linear layers and tables whose weight stays quantised, where it lies |
//! | [`rms_norm`] | [`RmsNorm`](rms_norm::RmsNorm) |
//! | [`rotary`] | [`Rotation`](rotary::Rotation), [`rotate`](rotary::rotate): rotary position embedding |
//! | [`staging`] | [`Staging`](staging::Staging): numbers on their way to a device and back, while both go on |
//! | [`swiglu`] | the product inside a gated MLP, in one pass |
//! | [`threads`] | [`in_pool`](threads::in_pool): where the parallel parts of a network start |
//! | [`mod@top_k`] | [`top_k`](top_k::top_k): the likeliest tokens of rows of logits, where these lie |
//! | [`trainable`] | linear layers and attention with a backward pass, on all threads |
//! | `vectorised` | loops compiled for every instruction set, the processor's chosen at run time |

pub mod cbam;
pub mod conv;
pub mod conv2d;
mod cpu;
pub mod device;
pub mod dropout;
pub mod exp;
pub mod finite;
pub mod frames;
pub mod gated_attention;
pub mod gelu;
mod kernels;
pub mod kv_cache;
pub mod lengths;
pub mod linear;
pub mod many;
pub mod maps;
pub mod masked_softmax;
mod node;
pub mod norm;
mod panels;
mod product;
pub mod quantized;
pub mod relu;
pub mod rms_norm;
pub mod rotary;
pub mod staging;
pub mod swiglu;
pub mod threads;
pub mod top_k;
pub mod trainable;
mod vectorised;
