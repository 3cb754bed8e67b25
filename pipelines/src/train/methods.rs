//! The methods there are.

use affekt_train::Registration;

use super::Error;

/// All of them. Nothing else of the harness knows one by name.
const METHODS: [Registration; 1] = [affekt_sdumc::train::REGISTRATION];

/// Their names.
pub fn names() -> Vec<&'static str> {
    METHODS.iter().map(|method| method.name).collect()
}

/// The method called `name`.
///
/// # Errors
/// [`Error::NoMethod`], which names those there are.
pub fn named(name: &str) -> Result<Registration, Error> {
    let found = METHODS.into_iter().find(|method| method.name == name);
    found.ok_or_else(|| Error::NoMethod { name: name.into(), known: names() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_core::Explain;

    #[test]
    fn an_unknown_method_is_told_what_there_is() {
        assert_eq!(named("sdumc").unwrap().name, "sdumc");
        let error = named("sdmuc").err().unwrap();
        assert!(error.to_string().contains("sdmuc") && error.hint().unwrap().contains("sdumc"));
    }
}
