//! Cutting a byte stream into JSON texts: OVSDB frames messages by nothing but their braces.

use crate::OvsdbError;

/// Largest message accepted, in bytes; ovsdb-server itself stays far below.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// An incremental splitter: bytes in, whole JSON objects out.
#[derive(Debug, Default)]
pub struct JsonSplitter {
    buffer: Vec<u8>,
    /// How far `buffer` has been looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl JsonSplitter {
    /// Takes what was read from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole JSON object, if one has arrived.
    ///
    /// # Errors
    /// Bytes outside an object that are not white space, or a message that is too large.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, OvsdbError> {
        while self.scanned < self.buffer.len() {
            let byte = self.buffer[self.scanned];
            self.scanned += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if self.depth > 0 => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    let Some(depth) = self.depth.checked_sub(1) else {
                        return Err(OvsdbError::Protocol("unbalanced bracket".into()));
                    };
                    self.depth = depth;
                    if depth == 0 {
                        let rest = self.buffer.split_off(self.scanned);
                        self.scanned = 0;
                        return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if self.depth > 0 => {}
                _ => return Err(OvsdbError::Protocol("text between messages".into())),
            }
        }
        if self.buffer.len() > MAX_MESSAGE_BYTES {
            return Err(OvsdbError::Protocol("message too large".into()));
        }
        Ok(None)
    }
}
