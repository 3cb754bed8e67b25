//! What affekt tells: predictions as JSON and as text.
