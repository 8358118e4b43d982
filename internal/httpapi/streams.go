package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// streamsMax is how many streams of events an instance has open at once, and
	// streamsOfKey how many one API key may have of them. Each costs a goroutine and a
	// page of events.
	streamsMax   = 1024
	streamsOfKey = 8
)

// pace is how often streams do something. Tests have another one.
type pace struct {
	poll     time.Duration // between two looks at the feed of a business
	look     time.Duration // between two looks at whether a key still works (law N3)
	beat     int           // looks between two signs of life while nothing happens
	patience time.Duration // within which a reader must take what was written to it
}

var usualPace = pace{poll: 200 * time.Millisecond, look: 250 * time.Millisecond, beat: 60, patience: 10 * time.Second}

// streams are the readers of events that wait for more. One look at the feed serves
// all readers of a business: who sees something new wakes the others, and each reads
// on from its own place, so that nothing is buffered for anybody.
type streams struct {
	pace  pace
	ended chan struct{} // closed when the server stops

	mu    sync.Mutex
	count int
	ofKey map[string]int
	feeds map[ledger.Tenant]*watchedFeed
}

// watchedFeed is the feed of a business in one mode that somebody waits for. Its
// fields are guarded by the lock of the streams.
type watchedFeed struct {
	readers int
	place   ledger.FeedPlace // where the last reader that reached the end has stopped
	watched bool             // by a goroutine
	news    chan struct{}    // closed when something may have come
	over    chan struct{}    // closed when the last reader has left
}

func newStreams() *streams {
	return &streams{
		pace: usualPace, ended: make(chan struct{}), ofKey: map[string]int{}, feeds: map[ledger.Tenant]*watchedFeed{},
	}
}

// EndStreams ends the streams of events, and all that come later at once. Without it
// a server would wait for readers who never leave.
func (s *Server) EndStreams() {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	select {
	case <-s.streams.ended:
	default:
		close(s.streams.ended)
	}
}

var (
	errStreamsOfKey = ledger.Errorf(CodeTooManyRequests,
		"This API key has %d streams of events open; end one of them first.", streamsOfKey)
	errStreams = ledger.Errorf(ledger.CodeOverloaded, "Too many streams of events are open; try again in a moment.")
)

// enter takes a place for a reader. The caller calls leave afterwards.
func (s *streams) enter(tenant ledger.Tenant, keyID string) (feed *watchedFeed, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ofKey[keyID] >= streamsOfKey:
		return nil, nil, errStreamsOfKey
	case s.count >= streamsMax:
		return nil, nil, errStreams
	}
	if feed = s.feeds[tenant]; feed == nil {
		feed = &watchedFeed{news: make(chan struct{}), over: make(chan struct{})}
		s.feeds[tenant] = feed
	}
	s.count++
	s.ofKey[keyID]++
	feed.readers++
	return feed, func() { s.leave(tenant, keyID, feed) }, nil
}

func (s *streams) leave(tenant ledger.Tenant, keyID string, feed *watchedFeed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.ofKey[keyID]--; s.ofKey[keyID] == 0 {
		delete(s.ofKey, keyID)
	}
	if feed.readers--; feed.readers == 0 {
		delete(s.feeds, tenant)
		close(feed.over)
	}
}

// news returns what is closed when something may have come. A reader asks for it
// before it reads, so that nothing can come unnoticed in between.
func (s *streams) news(feed *watchedFeed) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return feed.news
}

// tell wakes the readers that wait.
func (s *streams) tell(feed *watchedFeed) {
	close(feed.news)
	feed.news = make(chan struct{})
}

// reached says that a reader has come to the end of the feed. What it met on its last
// steps the others may not have seen, and the look at the feed begins behind it, so
// they are woken if it stands elsewhere.
func (s *Server) reached(tenant ledger.Tenant, feed *watchedFeed, place ledger.FeedPlace) {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	if feed.place != place {
		feed.place = place
		s.streams.tell(feed)
	}
	if !feed.watched {
		feed.watched = true
		go s.watch(tenant, feed)
	}
}

const (
	// watchedFacts is how many facts one look takes, and watchedPages how often it goes
	// on where all of them were another business's.
	watchedFacts = 100
	watchedPages = 32
)

// watch looks at a feed for as long as it has readers. An error is left to them: they
// read the same store.
func (s *Server) watch(tenant ledger.Tenant, feed *watchedFeed) {
	ticker := time.NewTicker(s.streams.pace.poll)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-feed.over:
			return
		case <-s.streams.ended:
			return
		case <-ticker.C:
		}
		s.streams.mu.Lock()
		from := feed.place
		s.streams.mu.Unlock()
		to, some := s.lookBehind(ctx, tenant, from)
		s.streams.mu.Lock()
		switch {
		case some:
			s.streams.tell(feed)
		case feed.place == from:
			feed.place = to
		}
		s.streams.mu.Unlock()
	}
}

// lookBehind reports whether a feed has something behind a place, and returns up to
// where it has nothing.
func (s *Server) lookBehind(
	ctx context.Context, tenant ledger.Tenant, place ledger.FeedPlace,
) (to ledger.FeedPlace, some bool) {
	for range watchedPages {
		page, err := s.book.Store().Feed(ctx, tenant, place, watchedFacts)
		if err != nil || len(page.Facts) > 0 {
			return place, err == nil
		}
		place = page.Next
		if !page.More {
			break
		}
	}
	return place, false
}
