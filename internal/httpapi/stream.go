package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// streamPage is how many events a stream reads and writes at once.
const streamPage = 50

var headerEventStream = []string{"text/event-stream"}

// wantsStream reports whether the caller asks for events as a stream. Who accepts
// anything gets a page.
func wantsStream(r *http.Request) bool {
	return r.Method == http.MethodGet && slices.ContainsFunc(r.Header["Accept"], func(accept string) bool {
		for kind := range strings.SplitSeq(accept, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), headerEventStream[0]) {
				return true
			}
		}
		return false
	})
}

// eventStream is one reader of a stream of events. It keeps no more than a page: how
// fast it goes on is how fast the caller reads.
type eventStream struct {
	server     *Server
	call       *call
	connection *http.ResponseController
	feed       *watchedFeed
	filter     ledger.EventFilter
	bound      string

	at      ledger.EventCursor
	told    ledger.EventCursor // that the caller knows
	reached ledger.FeedPlace   // where it came to the end of the feed
	waited  int                // looks since something was written
}

// streamEvents answers with events for as long as the caller reads, its key works and
// the server runs. Each message has the cursor behind it as its id, so whoever comes
// back with the last one misses nothing and meets nothing twice.
func (s *Server) streamEvents(c *call, filter ledger.EventFilter, from ledger.EventCursor) error {
	feed, leave, err := s.streams.enter(c.tenant(), c.key.ID)
	if err != nil {
		if ledger.CodeOf(err) == CodeTooManyRequests {
			c.w.Header()["Retry-After"] = []string{seconds(retryAfter)}
		}
		return err
	}
	defer leave()
	r := &eventStream{
		server: s, call: c, connection: http.NewResponseController(c.w), feed: feed, filter: filter, bound: c.bound(),
		at: from, told: from,
	}
	news := s.streams.news(feed)
	list, err := r.read()
	if err != nil {
		return err // with nothing sent, an answer like any
	}
	// The time-outs of the server are those of one request; a stream has its own for
	// each write.
	if err := r.connection.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	c.begin(headerEventStream)
	if err := r.write(append(c.scratch.out[:0], "retry: 2000\n\n"...)); err != nil {
		return nil
	}
	for r.send(&list) && (list.More || r.wait(news)) && r.mayGoOn() {
		news = s.streams.news(feed)
		if list, err = r.read(); err != nil {
			c.cause = err
			break // whoever comes back hears why
		}
	}
	return nil
}

// begin sends the head of an answer whose length nobody knows yet.
func (c *call) begin(contentType []string) {
	header := c.w.Header()
	header["Content-Type"] = contentType
	header["Cache-Control"] = headerNoStore
	header["X-Content-Type-Options"] = headerNoSniff
	header["X-Accel-Buffering"] = []string{"no"} // a proxy that gathers answers would hold events back
	c.status, c.streamed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
}

func (r *eventStream) read() (ledger.EventList, error) {
	return r.server.book.Events(r.call.r.Context(), r.call.tenant(), r.filter, r.at, streamPage)
}

// send writes a page of events, and reports whether the caller took it.
func (r *eventStream) send(list *ledger.EventList) bool {
	r.at = list.Next
	if len(list.Events) == 0 {
		return true
	}
	out := r.call.scratch.out[:0]
	for i := range list.Events {
		out = r.appendID(out, list.After[i])
		out = append(out, "data: "...)
		out = appendEvent(out, &list.Events[i])
		out = append(out, "\n\n"...)
	}
	r.told = list.After[len(list.After)-1]
	return r.write(out) == nil
}

func (r *eventStream) appendID(out []byte, cursor ledger.EventCursor) []byte {
	out = append(out, "id: "...)
	out = append(out, r.server.cursors.sealEvents(cursor, r.bound)...)
	return append(out, '\n')
}

// write sends something, within the time that a reader has for it. One that is slower
// is dropped.
func (r *eventStream) write(out []byte) error {
	c := r.call
	c.scratch.out, r.waited = out, 0
	if len(out) > answerShort {
		if !r.server.answers.take(len(out)) {
			c.cause = errAnswers
			return errAnswers
		}
		defer r.server.answers.give(len(out))
	}
	err := r.connection.SetWriteDeadline(time.Now().Add(r.server.streams.pace.patience))
	if err == nil {
		_, err = c.w.Write(out)
	}
	if err == nil {
		err = r.connection.Flush()
	}
	if err != nil {
		c.cause = err
		return err
	}
	c.size += len(out)
	return nil
}

// wait waits at the end of the feed until something may have come, and reports
// whether the stream goes on. Meanwhile it gives signs of life, by which either end
// notices that the other has gone.
func (r *eventStream) wait(news <-chan struct{}) bool {
	if r.at.Place != r.reached {
		r.reached = r.at.Place
		r.server.reached(r.call.tenant(), r.feed, r.at.Place)
	}
	ticker := time.NewTicker(r.server.streams.pace.look)
	defer ticker.Stop()
	for {
		select {
		case <-news:
			return true
		case <-r.call.r.Context().Done():
			return false
		case <-r.server.streams.ended:
			return false
		case <-ticker.C:
		}
		if !r.mayGoOn() {
			return false
		}
		if r.waited++; r.waited >= r.server.streams.pace.beat && !r.beat() {
			return false
		}
	}
}

// beat writes a sign of life: a comment, and, when a filter has kept everything back
// for a while, an id without an event, with which the caller need not look through
// that again.
func (r *eventStream) beat() bool {
	out := append(r.call.scratch.out[:0], ":\n"...)
	if r.at != r.told {
		out, r.told = r.appendID(out, r.at), r.at
	}
	return r.write(append(out, '\n')) == nil
}

// mayGoOn reports whether the key still works and the server still runs. A key that
// nobody can look up counts as one that does not.
func (r *eventStream) mayGoOn() bool {
	select {
	case <-r.server.streams.ended:
		return false
	default:
		return r.server.identify(r.call) == nil
	}
}
