//! Protocol trace lines, with `-V` (spec/cli-and-config.md §5). Never on the hot path: the caller
//! asks first whether tracing is on.

use base::Level;
use connection::{Context, Dialect};
use protocol::{HeaderSupport, Op};

use crate::client::Client;

impl Client {
    #[cold]
    pub(crate) fn trace_in(&self, context: &Context<'_>, operation: &Op<'_>) {
        let text = match operation {
            Op::Publish(publish) => {
                let line = lossy(publish.control_line());
                self.say(context, Level::Trace, &format!("<<- [{line}]"));
                let payload = self.settings.trace_lines.payload(publish, HeaderSupport::Supported);
                if let Some(payload) = payload {
                    self.say(context, Level::Trace, &format!("<<- {payload}"));
                }
                return;
            }
            Op::Connect(json) => format!("<<- [CONNECT {}]", protocol::connect::redacted(json)),
            Op::Subscribe { subject, queue, sid } => {
                let queue = queue.map(|queue| format!("{} ", lossy(queue))).unwrap_or_default();
                format!("<<- [SUB {} {queue}{}]", lossy(subject), lossy(sid))
            }
            Op::Unsubscribe { sid, max } => {
                let max = max.map(|max| format!(" {max}")).unwrap_or_default();
                format!("<<- [UNSUB {}{max}]", lossy(sid))
            }
            Op::Ping => String::from("<<- [PING]"),
            Op::Pong => String::from("<<- [PONG]"),
            Op::Ok => String::from("<<- [OK]"),
            Op::Err(text) => format!("<<- [-ERR {}]", lossy(text)),
            Op::Info(json) => format!("<<- [INFO {}]", lossy(json)),
        };
        self.say(context, Level::Trace, &text);
    }

    /// Gives the lines that trace what this client is sent the same beginning as all its others.
    pub(crate) fn label_deliveries(&self, context: &mut Context<'_>) {
        let label = self.trace.then(|| self.log_prefix(context.link));
        if let Some(outbox) = context.shard.outbox(context.slot) {
            outbox.set_trace_label(label);
        }
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
