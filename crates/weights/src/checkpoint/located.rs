//! Where a tensor lies in a file: what every reader of a published form hands over.

use safetensors::Dtype;

/// One tensor of a file. Whoever makes one has checked that its bytes lie inside the file; nothing is copied before
/// the tensor is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// The published name.
    pub name: String,
    /// Type of the elements, little endian.
    pub dtype: Dtype,
    /// Size of each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// Elements from one entry to the next on each axis, where they do not lie in row-major order.
    pub strides: Option<Vec<usize>>,
    /// Byte of the file at which the first element lies.
    pub offset: usize,
    /// Bytes from the first element to the end of the last one.
    pub len: usize,
}

impl Located {
    /// A tensor in row-major order.
    pub fn rows(name: impl Into<String>, dtype: Dtype, shape: Vec<usize>, offset: usize, len: usize) -> Self {
        Self { name: name.into(), dtype, shape, strides: None, offset, len }
    }

    /// Number of elements. It cannot overflow in a record that was checked against its file.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the elements laid out row by row.
    pub fn row_bytes(&self) -> usize {
        self.elements() * self.dtype.bitsize() / 8
    }
}
