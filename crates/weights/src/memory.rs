//! Keeps memory that was freed while weights are loaded from adding up.

/// Returns freed memory to the system.
///
/// Loading frees one large tensor after another: types are converted, layers turned, parts joined. The C library keeps
/// the holes that they leave between the weights for later, and with WavLM-Large these came to 80 MB.
pub(crate) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it has no preconditions; memory in use is not touched.
    unsafe {
        libc::malloc_trim(0);
    }
}
