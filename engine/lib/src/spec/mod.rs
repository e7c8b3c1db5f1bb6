//! Options and an image's configuration become an OCI configuration. Pure: what must be read from the image or the host is passed in.
