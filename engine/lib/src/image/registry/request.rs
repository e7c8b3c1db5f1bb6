//! One request: sent again when the registry is busy or broken, and with an answer to its challenge.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use ureq::http::{HeaderName, Method, Request, Response, header};
use ureq::{Body, SendBody};

use super::{Client, RegistryError, auth, error, waits};

/// What a request carries; it may have to be sent more than once.
#[derive(Debug)]
pub(super) enum Content<'a> {
    None,
    Bytes(&'a [u8]),
    Part { file: &'a File, offset: u64, length: u64 },
}

impl Client {
    /// The registry's answer, whatever it is: but 429 and 5xx, and that it cannot be reached, come only when waiting has not helped, and 401 only when
    /// logging in has not.
    pub(super) fn send(
        &self,
        method: &Method,
        url: &str,
        headers: &[(HeaderName, &str)],
        content: &Content<'_>,
        what: &str,
    ) -> Result<Response<Body>, RegistryError> {
        let mut waits = waits(self.retries, self.retry_delay);
        let mut may_authenticate = true;
        loop {
            // An upload may be led elsewhere, and nobody but the registry gets to see the login.
            let sent = self.authorization().filter(|_| self.is_own(url));
            let mut request = Request::builder().method(method.clone()).uri(url);
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            if let Some(authorization) = &sent {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let failed = |source: ureq::Error| RegistryError::transport(&self.base, what, &source);
            let answer = match content {
                Content::None if matches!(*method, Method::GET | Method::HEAD | Method::DELETE) => {
                    self.agent.run(request.body(()).map_err(|error| failed(error.into()))?)
                }
                Content::None => {
                    let empty: &[u8] = &[];
                    self.agent.run(request.body(empty).map_err(|error| failed(error.into()))?)
                }
                Content::Bytes(bytes) => {
                    self.agent.run(request.body(*bytes).map_err(|error| failed(error.into()))?)
                }
                Content::Part { file, offset, length } => {
                    let mut part = Part { file, offset: *offset, end: offset + length };
                    let request = request.header(header::CONTENT_LENGTH, *length);
                    let body = SendBody::from_reader(&mut part);
                    self.agent.run(request.body(body).map_err(|error| failed(error.into()))?)
                }
            };
            let is_harmless = matches!(*method, Method::GET | Method::HEAD);
            let response = match answer {
                Ok(response) => response,
                Err(error) => match waits.next().filter(|_| error::may_pass(&error, is_harmless)) {
                    Some(wait) => {
                        std::thread::sleep(wait);
                        continue;
                    }
                    None => return Err(failed(error)),
                },
            };
            match response.status().as_u16() {
                401 if may_authenticate && self.is_own(url) => {
                    may_authenticate = false;
                    self.authenticate(&response, sent.as_deref(), what)?;
                }
                429 | 500..=599 => match waits.next() {
                    Some(wait) => std::thread::sleep(error::retry_after(&response).unwrap_or(wait)),
                    None => return Ok(response),
                },
                _ => return Ok(response),
            }
        }
    }

    fn is_own(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'))
    }

    fn authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Answers a challenge, unless another thread has done so since the request was sent.
    pub(super) fn authenticate(
        &self,
        response: &Response<Body>,
        sent: Option<&str>,
        what: &str,
    ) -> Result<(), RegistryError> {
        let mut authorization = self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if authorization.as_deref() == sent {
            *authorization = Some(auth::answer(self, response, what)?);
        }
        Ok(())
    }
}

/// Part of a file.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
