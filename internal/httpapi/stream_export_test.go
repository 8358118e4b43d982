package httpapi

import "time"

// HurryStreams has streams look at everything all the time, and drop a reader that
// does not take what was written within patience.
func (s *Server) HurryStreams(patience time.Duration) {
	s.streams.pace = pace{poll: time.Millisecond, look: 2 * time.Millisecond, beat: 2, patience: patience}
}

// StreamsOpen is how many streams of events are open, and how many feeds are watched
// for them.
func (s *Server) StreamsOpen() (readers, feeds int) {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return s.streams.count, len(s.streams.feeds)
}

// StreamsOfKey is how many streams an API key may have open.
const StreamsOfKey = streamsOfKey
