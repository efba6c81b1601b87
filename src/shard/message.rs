//! A message under way: its canonical bytes, and the refcounted copy that many may share.

use bytes::Bytes;
use protocol::Publish;

/// A message in canonical form. A large one is shared by everyone it goes to.
pub struct Message<'a> {
    publish: &'a Publish<'a>,
    shared: Option<Bytes>,
    ahead: &'a [u8],
    address: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// A message whose bytes stand in a read chunk.
    #[inline]
    pub fn borrowed(publish: &'a Publish<'a>) -> Message<'a> {
        debug_assert!(publish.is_canonical());
        Message { publish, shared: None, ahead: &[], address: None }
    }

    /// A message whose bytes are `shared`, from the verb to the last CRLF.
    #[inline]
    pub fn over(publish: &'a Publish<'a>, shared: Bytes) -> Message<'a> {
        debug_assert!(publish.is_canonical());
        debug_assert_eq!(publish.wire().len(), shared.len());
        Message { publish, shared: Some(shared), ahead: &[], address: None }
    }

    /// Says what its publisher sent from this message on, to look ahead.
    #[inline]
    #[must_use]
    pub fn followed_by(mut self, ahead: &'a [u8]) -> Message<'a> {
        self.ahead = ahead;
        self
    }

    /// Goes to those who listen on `address`, who yet see the message's own subject: how a stream
    /// hands out what it holds.
    #[inline]
    #[must_use]
    pub fn addressed_to(mut self, address: &'a [u8]) -> Message<'a> {
        self.address = Some(address);
        self
    }

    /// The address, where it is not the message's own subject.
    #[inline]
    pub(crate) fn address(&self) -> Option<&'a [u8]> {
        self.address
    }

    /// The subject that decides who gets it.
    #[inline]
    pub(crate) fn matched(&self) -> &'a [u8] {
        match self.address {
            Some(address) => address,
            None => self.publish.subject(),
        }
    }

    /// What its publisher sent from this message on, as far as it is known.
    #[inline]
    pub(crate) fn ahead(&self) -> &'a [u8] {
        self.ahead
    }

    /// The message.
    #[inline]
    pub fn publish(&self) -> &'a Publish<'a> {
        self.publish
    }

    /// The whole wire form as refcounted bytes; copied once if they are not yet.
    pub fn share(&mut self) -> Bytes {
        let wire = self.publish.wire();
        self.shared.get_or_insert_with(|| Bytes::copy_from_slice(wire)).clone()
    }

    /// The refcounted bytes, if there are any.
    #[inline]
    pub fn shared(&self) -> Option<&Bytes> {
        self.shared.as_ref()
    }
}
