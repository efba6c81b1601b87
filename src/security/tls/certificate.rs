//! Whom a client's certificate names, in the order in which users are looked for
//! (spec/security.md §8, `verify_and_map`).

use x509_parser::extensions::GeneralName;

use crate::distinguished_name::{self, AnyOrder, DistinguishedName};

/// Whom a certificate names. The authority has vouched for it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// E-mail addresses, then DNS names, then URIs.
    alternatives: Vec<String>,
    /// Its subject.
    subject: DistinguishedName,
    /// The subject as text, with its domain components and without; looked for last.
    texts: Vec<String>,
}

impl ClientCertificate {
    /// From DER; `None` if it is no certificate.
    pub(crate) fn new(der: &[u8]) -> Option<ClientCertificate> {
        let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
        let extension = parsed.subject_alternative_name().ok().flatten();
        let names = extension.map(|found| found.value.general_names.as_slice());
        let names = names.unwrap_or_default();
        let of_kind = |wanted: fn(&GeneralName<'_>) -> Option<String>| {
            names.iter().filter_map(wanted).collect::<Vec<_>>()
        };
        let mut alternatives = of_kind(|name| match name {
            GeneralName::RFC822Name(email) => Some((*email).to_owned()),
            _ => None,
        });
        alternatives.extend(of_kind(|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            _ => None,
        }));
        alternatives.extend(of_kind(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        }));
        alternatives.retain(|name| !name.is_empty());
        let text = distinguished_name::go_text(parsed.subject());
        let domain = distinguished_name::domain_components(parsed.subject());
        let with_domain = (!domain.is_empty()).then(|| format!("{text},{domain}"));
        let texts = with_domain.into_iter().chain([text]).filter(|text| !text.is_empty());
        Some(ClientCertificate {
            alternatives,
            subject: DistinguishedName::of(parsed.subject()),
            texts: texts.collect(),
        })
    }

    /// The first user that it names: `by_name` looks for a name, `by_subject` for a
    /// distinguished name.
    pub(crate) fn first<T>(
        &self,
        by_name: impl Fn(&str) -> Option<T>,
        by_subject: impl Fn(&DistinguishedName, &AnyOrder) -> Option<T>,
    ) -> Option<T> {
        let alternative = self.alternatives.iter().find_map(|name| by_name(name));
        alternative
            .or_else(|| by_subject(&self.subject, &self.subject.any_order()))
            .or_else(|| self.texts.iter().find_map(|text| by_name(text)))
    }

    /// Whom it names, for the log.
    pub fn described(&self) -> &str {
        let names = self.texts.last().or(self.alternatives.first());
        names.map(String::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[SanType], parts: &[(DnType, &str)]) -> ClientCertificate {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("signed");
        ClientCertificate::new(made.der()).expect("a certificate")
    }

    /// The users that are looked for, in order.
    fn looked_for(certificate: &ClientCertificate) -> Vec<String> {
        let seen = std::cell::RefCell::new(Vec::new());
        let by_name = |name: &str| -> Option<()> {
            seen.borrow_mut().push(name.to_owned());
            None
        };
        let by_subject = |_: &DistinguishedName, _: &AnyOrder| {
            seen.borrow_mut().push("the subject".to_owned());
            None
        };
        assert_eq!(certificate.first(by_name, by_subject), None);
        seen.into_inner()
    }

    #[test]
    fn users_are_looked_for_in_the_order_of_the_specification() {
        let text = |text: &str| text.try_into().expect("a name");
        let names = [
            SanType::URI(text("spiffe://corewire/bob")),
            SanType::DnsName(text("bob.example")),
            SanType::Rfc822Name(text("bob@example.com")),
        ];
        let dc = DnType::CustomDnType(vec![0, 9, 2342, 19200300, 100, 1, 25]);
        let parts =
            [(dc, "example"), (DnType::OrganizationName, "x,y"), (DnType::CommonName, "bob")];
        let made = certificate(&names, &parts);
        let expected = [
            "bob@example.com",
            "bob.example",
            "spiffe://corewire/bob",
            "the subject",
            r"CN=bob,O=x\,y,DC=example",
            r"CN=bob,O=x\,y",
        ];
        assert_eq!(looked_for(&made), expected);
        assert_eq!(made.described(), r"CN=bob,O=x\,y");
        let written = DistinguishedName::parse(r"CN=bob,O=x\,y,DC=example").expect("a name");
        assert_eq!(made.subject, written);
    }

    #[test]
    fn no_damage_to_a_certificate_panics() {
        let text = |text: &str| text.try_into().expect("a name");
        let names = [SanType::Rfc822Name(text("a@b")), SanType::URI(text("x://y"))];
        let mut params = CertificateParams::new(vec!["a.b".to_owned()]).expect("a name");
        params.subject_alt_names.extend(names);
        let made = params.self_signed(&KeyPair::generate().expect("a key")).expect("signed");
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        println!("seed {seed}");
        for _ in 0..20_000 {
            let mut der = made.der().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..der.len());
                der[at] = random.u8(..);
            }
            der.truncate(random.usize(0..der.len() * 2).max(1));
            if let Some(certificate) = ClientCertificate::new(&der) {
                assert!(looked_for(&certificate).contains(&"the subject".to_owned()));
            }
        }
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert_eq!(ClientCertificate::new(b"no certificate"), None);
        assert_eq!(looked_for(&certificate(&[], &[])), ["the subject"]);
    }
}
