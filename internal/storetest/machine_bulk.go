package storetest

import (
	"errors"
	"fmt"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
)

// bulk sends a row of new and old requests of several customers in one bulk to
// both sides, each for itself or all or nothing, and compares what became of
// each line, and every customer afterwards.
func (m *machine) bulk(rt *rapid.T) {
	atomic := rapid.Bool().Draw(rt, "atomic")
	var requests []ledger.PostRequest
	for range rapid.IntRange(1, 8).Draw(rt, "lines") {
		if len(m.requests) > 0 && rapid.IntRange(0, 4).Draw(rt, "old") == 0 {
			requests = append(requests, rapid.SampledFrom(m.requests).Draw(rt, "request"))
			continue
		}
		direction := rapid.SampledFrom([]ledger.Direction{ledger.Credit, ledger.Debit}).Draw(rt, "direction")
		requests = append(requests, m.drawRequest(rt, direction))
	}
	if atomic && m.sharded {
		first := requests[0]
		for i := range requests {
			requests[i].Tenant, requests[i].CustomerID = first.Tenant, first.CustomerID
		}
	}
	m.requests = append(m.requests, requests...)
	ctx := m.complaints.Context()
	got, gotErr := m.real.book.PostMany(ctx, requests, atomic)
	want, wantErr := m.model.book.PostMany(ctx, requests, atomic)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		rt.Fatalf("bulk of %d, atomic %t: got error %v, want %v", len(requests), atomic, gotErr, wantErr)
	}
	var refused *ledger.LineError
	if gotErr != nil && (!atomic || !errors.As(gotErr, &refused) || got != nil) {
		rt.Fatalf("bulk of %d, atomic %t: got error %v beside %d outcomes", len(requests), atomic, gotErr, len(got))
	}
	for i := range want {
		if fmt.Sprint(got[i].Err) != fmt.Sprint(want[i].Err) {
			rt.Fatalf("line %d: got error %v, want %v", i, got[i].Err, want[i].Err)
		}
		bare(&got[i].Change.Wallet, &want[i].Change.Wallet)
		if diff := difference(want[i].Change, got[i].Change); diff != "" {
			rt.Fatalf("line %d: answers differ (-want +got):\n%s", i, diff)
		}
		if got[i].Err == nil && !got[i].Change.Replayed {
			m.first[firstKeyOf(&requests[i])] = requests[i]
		}
	}
	for i := range m.customers {
		m.touched = i
		m.compare(rt)
	}
}
