//! What has to be said of a bundle's numbers before anyone trusts them.

use super::Manifest;

/// A warning that comes before all others, because it takes meaning from every number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caution {
    /// The matter in a few words, as a heading.
    pub title: &'static str,
    /// The warning, a sentence without its full stop.
    pub text: String,
}

impl Manifest {
    /// Whether training has given the weights of `network` a meaning: as the network says, else as the bundle does.
    pub fn is_trained(&self, network: &str) -> bool {
        self.networks.get(network).and_then(|files| files.trained).unwrap_or(self.trained)
    }

    /// The networks that are marked untrained in a trained bundle, in the order of their names.
    pub fn untrained(&self) -> Vec<&str> {
        let networks = self.networks.keys().map(String::as_str);
        networks.filter(|network| self.trained && !self.is_trained(network)).collect()
    }

    /// What is to be said of numbers that these networks make; `None` where training gave them a meaning beyond a small
    /// world.
    pub fn caution<'n>(&self, networks: impl IntoIterator<Item = &'n str>) -> Option<Caution> {
        self.of(networks, "numbers carry no meaning", "on other faces and voices its numbers mean little")
    }

    /// What is to be said of words that `network` recognises.
    pub fn caution_of_words(&self, network: &str) -> Option<Caution> {
        self.of([network], "words carry no meaning", "on other voices its words mean little")
    }

    fn of<'n>(
        &self,
        networks: impl IntoIterator<Item = &'n str>,
        void: &str,
        little: &str,
    ) -> Option<Caution> {
        let bundle = &self.name;
        let untrained = networks.into_iter().find(|network| !self.is_trained(network));
        let text = match (untrained, &self.world) {
            (Some(_), _) if !self.trained => format!("bundle {bundle} is untrained: its {void}"),
            (Some(network), _) => format!("network {network} of bundle {bundle} is untrained: its {void}"),
            (None, Some(world)) => {
                let text = format!("bundle {bundle} knows only its small world: {world}; {little}");
                return Some(Caution { title: "A small world.", text });
            }
            (None, None) => return None,
        };
        Some(Caution { title: "Untrained.", text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(head: &str) -> Manifest {
        let network = |name: &str, more: &str| format!("[networks.{name}]\nweights = \"w\"\n{more}\n");
        let networks = network("ears", "trained = false") + &network("eyes", "");
        let text = format!("name = \"b\"\ndescription = \"\"\n{head}\n[features]\n{networks}");
        Manifest::parse(&format!("{text}[files.w]\nlicence = \"MIT\"\nsource = \"here\"\n")).unwrap()
    }

    fn told(manifest: &Manifest, networks: &[&str]) -> Option<String> {
        manifest.caution(networks.iter().copied()).map(|caution| caution.text)
    }

    #[test]
    fn a_trained_bundle_needs_no_caution() {
        let manifest = manifest("trained = true");
        assert_eq!((told(&manifest, &["eyes"]), manifest.untrained()), (None, vec!["ears"]));
        let text = "network ears of bundle b is untrained: its numbers carry no meaning";
        assert_eq!(told(&manifest, &["eyes", "ears"]).as_deref(), Some(text));
        let words = manifest.caution_of_words("ears").unwrap();
        assert_eq!(words.text, "network ears of bundle b is untrained: its words carry no meaning");
        assert_eq!(manifest.caution_of_words("eyes"), None);
    }

    #[test]
    fn a_small_world_is_named() {
        let manifest = manifest("trained = true\nworld = \"drawn dolls\"");
        let text = "bundle b knows only its small world: drawn dolls; on other faces and voices its numbers mean little";
        let caution = manifest.caution(["eyes"]).unwrap();
        assert_eq!((caution.title, caution.text.as_str()), ("A small world.", text));
        assert!(
            manifest
                .caution_of_words("eyes")
                .unwrap()
                .text
                .ends_with("on other voices its words mean little")
        );
    }

    #[test]
    fn an_untrained_bundle_is_told_as_a_whole() {
        let manifest = manifest("trained = false");
        let text = "bundle b is untrained: its numbers carry no meaning";
        assert_eq!(told(&manifest, &["eyes", "ears"]).as_deref(), Some(text));
        assert!(manifest.untrained().is_empty());
        let caution = manifest.caution_of_words("ears").unwrap();
        assert_eq!(
            (caution.title, &*caution.text),
            ("Untrained.", "bundle b is untrained: its words carry no meaning")
        );
    }
}
