//! A socket that gives up on a client which does not take its reply in time, and that hands the
//! kernel large replies piece by piece: it copies what it gets in one go, and whoever waits for the
//! processor waits for that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes that the kernel gets at a time: some 20 µs of copying.
const PIECE_BYTES: usize = 64 << 10;

/// Fails writing when a reply is not gone `patience` after the socket first took no more of it.
///
/// The timer starts at the first write that has to wait and stops at the next flush, which hyper
/// asks for when all it had is written. So a trickle of reads does not extend the time.
pub(crate) struct Patient<T> {
    inner: T,
    patience: Duration,
    /// Running while a reply waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    pub(crate) fn new(inner: T, patience: Duration) -> Patient<T> {
        Patient { inner, patience, deadline: None }
    }

    /// Passes `written` on unless the time is over.
    fn check<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_pending() && self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(self.patience)));
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let written = Pin::new(&mut self.inner).poll_write(cx, piece);
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let small = slices.iter().map(|slice| slice.len()).sum::<usize>() <= PIECE_BYTES;
        if !small && let Some(first) = slices.iter().find(|slice| !slice.is_empty()) {
            return self.poll_write(cx, first);
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.check(cx, written)
    }

    /// Vectored, so that hyper queues a body instead of copying it.
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn paused() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    }

    #[test]
    fn a_reader_that_stops_ends_the_reply() {
        paused().block_on(async {
            let (near, _far) = tokio::io::duplex(16);
            let mut near = Patient::new(near, PATIENCE);
            let before = tokio::time::Instant::now();
            let error = near.write_all(&[0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(before.elapsed().as_secs(), PATIENCE.as_secs());
        });
    }

    #[test]
    fn the_kernel_gets_a_large_reply_piece_by_piece_and_a_small_one_whole() {
        paused().block_on(async {
            let (near, mut far) = tokio::io::duplex(1 << 20);
            let mut near = Patient::new(near, PATIENCE);
            let (head, body) = (vec![1; 200], vec![2; 150_000]);
            let written = near.write_vectored(&[IoSlice::new(&head), IoSlice::new(&body)]).await;
            assert_eq!(written.unwrap(), head.len(), "the head, and then the body's pieces");
            let written = near.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&body)]).await;
            assert_eq!(written.unwrap(), PIECE_BYTES);
            assert_eq!(near.write(&body).await.unwrap(), PIECE_BYTES);
            let written = near.write_vectored(&[IoSlice::new(&head), IoSlice::new(&head)]).await;
            assert_eq!(written.unwrap(), 2 * head.len());
            let mut got = vec![0; 3 * head.len() + 2 * PIECE_BYTES];
            far.read_exact(&mut got).await.unwrap();
            assert!(got.starts_with(&head) && got.ends_with(&[&head[..], &head].concat()));
        });
    }

    #[test]
    fn a_trickle_does_not_extend_the_time_but_a_flush_starts_anew() {
        paused().block_on(async {
            let (near, mut far) = tokio::io::duplex(16);
            let mut near = Patient::new(near, PATIENCE);
            let trickle = async {
                let mut byte = [0; 8];
                loop {
                    tokio::time::sleep(Duration::from_secs(8)).await;
                    far.read_exact(&mut byte).await.unwrap();
                }
            };
            let replies = async {
                // At a byte a second each of them is in time, all together are not.
                for _ in 0..3 {
                    near.write_all(&[0; 24]).await.unwrap();
                    near.flush().await.unwrap();
                }
                near.write_all(&[0; 640]).await.unwrap_err().kind()
            };
            tokio::select! {
                () = trickle => {}
                kind = replies => assert_eq!(kind, io::ErrorKind::TimedOut),
            }
        });
    }
}
