package httpapi

import (
	"net/http"
	"sync/atomic"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// answersMax bounds the memory of long answers that wait for slow readers.
	// One connection may ask for hundreds of lists of megabytes and read none.
	answersMax = 64 << 20

	// answerShort is a length below which answers do not count.
	answerShort = 32 << 10

	// scrapesMax is how many answers with metrics may be on their way at once.
	// Anybody may ask for them.
	scrapesMax = 16
)

// budget is an amount that requests share.
type budget struct {
	most  int64
	spent atomic.Int64
}

// take takes a part of what is left, if there is enough of it.
func (b *budget) take(part int) bool {
	if b.spent.Add(int64(part)) <= b.most {
		return true
	}
	b.give(part)
	return false
}

func (b *budget) give(part int) { b.spent.Add(-int64(part)) }

var errAnswers = ledger.Errorf(ledger.CodeOverloaded,
	"Too many long answers are waiting to be read; try again in a moment, or with smaller pages.")

// replyList answers with a list.
func (s *Server) replyList(c *call, body []byte) error {
	c.scratch.out = body
	return s.replyLong(c, headerJSON, body)
}

// replyLong answers with a body that may be long.
func (s *Server) replyLong(c *call, contentType []string, body []byte) error {
	if len(body) > answerShort {
		if !s.answers.take(len(body)) {
			return errAnswers
		}
		defer s.answers.give(len(body))
	}
	c.replyType(http.StatusOK, contentType, body)
	return nil
}
