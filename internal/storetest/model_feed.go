package storetest

import (
	"context"
	"slices"
	"strconv"

	"github.com/billfold/billfold/internal/ledger"
)

// modelFact is a fact of one of the tenants.
type modelFact struct {
	tenant ledger.Tenant
	fact   ledger.Fact
}

// tell puts a copy of a fact at the end of the feed, under the lock.
func (m *Model) tell(tenant ledger.Tenant, fact ledger.Fact) {
	switch {
	case fact.Entry != nil:
		entry := cloneEntry(*fact.Entry)
		fact.Entry = &entry
	case fact.Hold != nil:
		hold := *fact.Hold
		hold.Event.Allocations = slices.Clone(hold.Event.Allocations)
		fact.Hold = &hold
	case fact.Notice != nil:
		notice := *fact.Notice
		fact.Notice = &notice
	case fact.Audit != nil:
		line := *fact.Audit
		fact.Audit = &line
	}
	m.feed = append(m.feed, modelFact{tenant, fact})
}

// Feed implements [ledger.Store]. Its places are numbers in the feed of all
// tenants, after a word that no other store begins them with.
func (m *Model) Feed(
	_ context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (page ledger.FeedPage, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := 0
	if from != "" {
		if len(from) < len(modelPlace) || from[:len(modelPlace)] != modelPlace {
			return page, ledger.Errorf(ledger.CodeInvalidCursor, "no place of this feed")
		}
		if at, err = strconv.Atoi(string(from[len(modelPlace):])); err != nil {
			return page, ledger.Errorf(ledger.CodeInvalidCursor, "no place of this feed")
		}
	}
	for ; at < len(m.feed) && len(page.Facts) < limit; at++ {
		if m.feed[at].tenant != tenant {
			continue
		}
		fact := m.feed[at].fact
		fact.Place = placeInModel(at)
		if fact.Customer != nil {
			c, err := m.customer(tenant, fact.Customer.ID)
			if err != nil {
				return page, err
			}
			now := c.Customer
			fact.Customer = &now
		}
		page.Facts = append(page.Facts, fact)
	}
	page.Next, page.More = placeInModel(at), at < len(m.feed)
	return page, nil
}

const modelPlace = "model "

func placeInModel(at int) ledger.FeedPlace {
	return modelPlace + ledger.FeedPlace(strconv.Itoa(at))
}
