//! Certificates: the system's, and those that are kept for one registry (containers-certs.d(5)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::Access;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read {}: {}", path.display(), crate::store::cause(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: not valid: there is no {what} in it", path.display())]
    Invalid { path: PathBuf, what: &'static str },
    #[error("{}: there is no {} beside it", path.display(), missing.display())]
    Alone { path: PathBuf, missing: PathBuf },
}

/// What a registry's own directory adds to the system's.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    authorities: Vec<Certificate<'static>>,
    own: Option<ClientCert>,
}

impl Certificates {
    pub(super) fn find(registry: &str, access: &Access) -> Result<Certificates, CertificateError> {
        let in_homes = || access.certificate_homes.iter().map(|home| home.join(registry));
        match &access.certificates {
            Some(directory) => Certificates::read(directory),
            None => match in_homes().find(|directory| directory.is_dir()) {
                Some(directory) => Certificates::read(&directory),
                None => Ok(Certificates::default()),
            },
        }
    }

    /// `*.crt` are authorities; `NAME.cert` and `NAME.key` are what the client shows of itself.
    fn read(directory: &Path) -> Result<Certificates, CertificateError> {
        let failed = |error| CertificateError::Read { path: directory.to_owned(), error };
        let mut paths: Vec<PathBuf> = fs::read_dir(directory)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        paths.sort();
        let mut found = Certificates::default();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => found.authorities.extend(certificates(&path)?),
                Some("cert") => {
                    let key = path.with_extension("key");
                    if !key.exists() {
                        return Err(CertificateError::Alone { path, missing: key });
                    }
                    let own = ClientCert::new_with_certs(&certificates(&path)?, private_key(&key)?);
                    found.own.get_or_insert(own);
                }
                Some("key") if !path.with_extension("cert").exists() => {
                    let missing = path.with_extension("cert");
                    return Err(CertificateError::Alone { path, missing });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    pub(super) fn config(&self, is_lax: bool) -> TlsConfig {
        TlsConfig::builder()
            .disable_verification(is_lax)
            .root_certs(self.roots(is_lax))
            .client_cert(self.own.clone())
            .build()
    }

    /// The system's certificates, so that a company's own ones count; without them Mozilla's, built in.
    fn roots(&self, is_lax: bool) -> RootCerts {
        const BUNDLES: [&str; 3] =
            ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
        if is_lax {
            return RootCerts::WebPki;
        }
        let bundle = BUNDLES.iter().find_map(|path| fs::read(path).ok());
        if bundle.is_none() && self.authorities.is_empty() {
            return RootCerts::WebPki;
        }
        let system = bundle.iter().flat_map(|bundle| of_pem(bundle));
        RootCerts::Specific(Arc::new(system.chain(self.authorities.iter().cloned()).collect()))
    }
}

fn of_pem(pem: &[u8]) -> impl Iterator<Item = Certificate<'static>> {
    parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|error| CertificateError::Read { path: path.to_owned(), error })
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, CertificateError> {
    let found: Vec<_> = of_pem(&read(path)?).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(CertificateError::Invalid { path: path.to_owned(), what: "certificate in PEM" }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, CertificateError> {
    let invalid = |_| CertificateError::Invalid { path: path.to_owned(), what: "private key in PEM" };
    PrivateKey::from_pem(&read(path)?).map_err(invalid)
}
