//! Turns events into lines, with what the spans around them say.

use std::cell::RefCell;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as Spans;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::line::{self, Context, Line};
use super::writer::Input;
use crate::config::LogFormat;
use crate::model::Timestamp;
use crate::security::AUDIT_TARGET;
use crate::telemetry::REQUEST_SPAN;

/// The longest line, in bytes, that its thread keeps room for.
const KEPT_ROOM_BYTES: usize = 16 << 10;

/// Turns events into lines.
pub(super) struct LineLayer {
    format: LogFormat,
    input: Input,
}

impl LineLayer {
    pub fn new(format: LogFormat, input: Input) -> Self {
        Self { format, input }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, spans: Spans<'_, S>) {
        if attributes.metadata().name() == REQUEST_SPAN
            && let Some(span) = spans.span(id)
        {
            let mut context = Context::default();
            attributes.record(&mut context);
            span.extensions_mut().insert(context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, spans: Spans<'_, S>) {
        if let Some(span) = spans.span(id)
            && let Some(context) = span.extensions_mut().get_mut::<Context>()
        {
            values.record(context);
        }
    }

    fn on_event(&self, event: &Event<'_>, spans: Spans<'_, S>) {
        thread_local! {
            static ROOM: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let mut said = line::Event::default();
        event.record(&mut said);
        let scope = spans.event_span(event);
        let function = scope.as_ref().map(SpanRef::name);
        let mut context = scope.iter().flat_map(SpanRef::scope);
        let context = context.find_map(|span| span.extensions().get::<Context>().cloned());
        let line = Line {
            at: Timestamp::now(),
            metadata: event.metadata(),
            function,
            context: context.unwrap_or_default(),
            event: said,
        };
        let important = *event.metadata().level() <= Level::WARN || event.metadata().target() == AUDIT_TARGET;
        ROOM.with_borrow_mut(|room| {
            room.clear();
            match self.format {
                LogFormat::Json => line.json(room),
                LogFormat::Text => line.text(room),
            }
            self.input.line(room.as_bytes(), important);
            room.shrink_to(KEPT_ROOM_BYTES);
        });
    }
}
