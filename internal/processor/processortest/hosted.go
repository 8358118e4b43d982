package processortest

import (
	"errors"
	"testing"

	"github.com/billfold/billfold/internal/processor"
)

// HostedContract is what every processor with pages of its own must do. Open returns one
// without set-ups, and what has a customer enter a card on the page of one.
func HostedContract(t *testing.T, open func(t *testing.T) (p processor.Hosted, enter func(id string))) {
	t.Helper()
	request := processor.SetUpRequest{
		Key: "setup:pms_1:1", Reference: "pms_1", Back: "https://pay.example.com/pay/x", Currency: "USD",
	}
	t.Run("a key makes one set-up", func(t *testing.T) {
		p, _ := open(t)
		first, err := p.SetUp(t.Context(), request)
		if err != nil || first.ID == "" || first.URL == "" || first.Status != processor.SetUpOpen || first.Reference != "pms_1" {
			t.Fatalf("got %+v and error %v, want one that is open, with a page", first, err)
		}
		again, err := p.SetUp(t.Context(), request)
		if err != nil || again.ID != first.ID {
			t.Errorf("again: got %+v and error %v, want %s", again, err, first.ID)
		}
		request := request
		request.Key = "setup:pms_1:2"
		if other, err := p.SetUp(t.Context(), request); err != nil || other.ID == first.ID {
			t.Errorf("under another key: got %+v and error %v, want another one", other, err)
		}
	})
	t.Run("a card is there when it was entered", func(t *testing.T) {
		p, enter := open(t)
		made, err := p.SetUp(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.LookUpSetUp(t.Context(), made.ID)
		if err != nil || got.Status != processor.SetUpOpen || got.Method != "" {
			t.Errorf("before: got %+v and error %v, want it open", got, err)
		}
		enter(made.ID)
		for range 2 {
			got, err := p.LookUpSetUp(t.Context(), made.ID)
			if err != nil || got.Status != processor.SetUpDone || got.Method == "" || got.Reference != "pms_1" {
				t.Errorf("after: got %+v and error %v, want a card", got, err)
			}
		}
	})
	t.Run("a set-up that there is not", func(t *testing.T) {
		p, _ := open(t)
		if got, err := p.LookUpSetUp(t.Context(), "cs_nothing"); !errors.Is(err, processor.ErrNoSetUp) {
			t.Errorf("got %+v and error %v, want %v", got, err, processor.ErrNoSetUp)
		}
	})
}
