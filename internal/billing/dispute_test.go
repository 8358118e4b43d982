package billing_test

import (
	"fmt"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

func TestDisputes(t *testing.T) {
	t.Parallel()
	type message = billing.DisputeMessage
	opened, won := message{billing.StageDispute, billing.DisputeOpened}, message{billing.StageDispute, billing.DisputeWon}
	lost := message{billing.StageDispute, billing.DisputeLost}
	wonLater := message{billing.StageArbitration, billing.DisputeWon}
	for _, test := range []struct {
		name     string
		messages []message
		want     billing.DisputeMove // of the last
	}{
		{"an inquiry takes nothing", []message{{billing.StageInquiry, billing.DisputeOpened}}, billing.DisputeMove{}},
		{"opened", []message{opened}, billing.DisputeMove{Hold: 700}},
		{"opened twice", []message{opened, opened}, billing.DisputeMove{}},
		{"won", []message{opened, won}, billing.DisputeMove{Release: 700}},
		{"lost", []message{opened, lost}, billing.DisputeMove{Capture: 700, Owe: 300}},
		{"lost at once", []message{lost}, billing.DisputeMove{Take: 700, Owe: 300}},
		{"opened after it was lost", []message{lost, opened}, billing.DisputeMove{}},
		{"lost, and open again later", []message{lost, {billing.StageArbitration, billing.DisputeOpened}}, billing.DisputeMove{}},
		{"lost, open again, and lost later", []message{
			lost, {billing.StageArbitration, billing.DisputeOpened}, {billing.StageArbitration, billing.DisputeLost},
		}, billing.DisputeMove{}},
		{"lost, and won later", []message{opened, lost, wonLater}, billing.DisputeMove{Restore: 700, Forgive: 300}},
		{"a word that nobody knows", []message{{billing.StageDispute, "dispute_pending"}}, billing.DisputeMove{}},
	} {
		d := billing.Dispute{ID: "dsp_1", Amount: 1000}
		lot := disputed{left: 700}
		var step billing.DisputeStep
		for _, m := range test.messages {
			step = billing.DecideDispute(d, m, lot.left)
			d = step.Dispute
			lot.carryOut(step.DisputeMove)
		}
		if step.DisputeMove != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, step.DisputeMove, test.want)
		}
	}
}

// disputed is a lot with what disputes have made of it.
type disputed struct{ left, held, lost, debt money.Amount }

func (l *disputed) carryOut(m billing.DisputeMove) {
	l.left += m.Restore + m.Release - m.Hold - m.Take
	l.held += m.Hold - m.Release - m.Capture
	l.lost += m.Capture + m.Take - m.Restore
	l.debt += m.Owe - m.Forgive
}

// everyMessage is each status of each stage.
func everyMessage() []billing.DisputeMessage {
	var all []billing.DisputeMessage
	for _, stage := range []billing.DisputeStage{billing.StageInquiry, billing.StageDispute, billing.StageArbitration} {
		for _, status := range []billing.DisputeStatus{
			billing.DisputeOpened, billing.DisputeChallenged, billing.DisputeCancelled, billing.DisputeWon,
			billing.DisputeExpired, billing.DisputeAccepted, billing.DisputeLost,
		} {
			all = append(all, billing.DisputeMessage{Stage: stage, Status: status})
		}
	}
	return all
}

// disputer is DecideDispute or a mistaken one.
type disputer func(billing.Dispute, billing.DisputeMessage, money.Amount) billing.DisputeStep

// allDisputes sends every row of messages about every small dispute, and compares what
// comes of it with what the one message of them that says most makes alone.
func allDisputes(decide disputer, length int) (rows int, complaint string) {
	all := everyMessage()
	for amount := range money.Amount(4) {
		for left := range money.Amount(4) {
			var alone []disputed
			for _, m := range all {
				lot := disputed{left: left}
				lot.carryOut(billing.DecideDispute(billing.Dispute{Amount: amount}, m, left).DisputeMove)
				alone = append(alone, lot)
			}
			total := 1
			for range length {
				total *= len(all)
			}
			for row := range total {
				rows++
				d, lot, most := billing.Dispute{Amount: amount}, disputed{left: left}, 0
				for rest, i := row, 0; i < length; rest, i = rest/len(all), i+1 {
					most = max(most, rest%len(all))
					step := decide(d, all[rest%len(all)], lot.left)
					d = step.Dispute
					lot.carryOut(step.DisputeMove)
					if min(lot.left, lot.held, lot.lost, lot.debt) < 0 || lot.held+lot.lost+lot.debt > amount {
						return rows, fmt.Sprintf("row %d of %d from a lot of %d: %+v", row, amount, left, lot)
					}
				}
				want := alone[most]
				if open := (&billing.Dispute{Stage: all[most].Stage, Status: all[most].Status}); open.Claim() == billing.ClaimHold {
					// What was lost before it was opened again is lost still.
					want.held, want.lost, want.debt = want.held-lot.lost, lot.lost, lot.debt
				}
				if lot != want || lot.held != d.Held || lot.lost != d.Lost || lot.debt != d.Debt {
					return rows, fmt.Sprintf("row %d of %d from a lot of %d: got %+v and %+v, want %+v", row, amount, left, lot, d, want)
				}
			}
		}
	}
	return rows, ""
}

// TestDisputesInEveryOrder holds law F5: every order and repetition of messages nets to
// the same.
func TestDisputesInEveryOrder(t *testing.T) {
	t.Parallel()
	rows, complaint := allDisputes(billing.DecideDispute, 3)
	if complaint != "" {
		t.Error(complaint)
	}
	t.Logf("%d rows of messages", rows)
	moved := func(change func(before, after *billing.Dispute, move *billing.DisputeMove)) disputer {
		return func(d billing.Dispute, m billing.DisputeMessage, left money.Amount) billing.DisputeStep {
			step := billing.DecideDispute(d, m, left)
			change(&d, &step.Dispute, &step.DisputeMove)
			return step
		}
	}
	for _, mistake := range []struct {
		name   string
		decide disputer
	}{
		{"the last message counts", func(d billing.Dispute, m billing.DisputeMessage, left money.Amount) billing.DisputeStep {
			d.Stage, d.Status = m.Stage, ""
			return billing.DecideDispute(d, m, left)
		}},
		{"each message is a dispute of its own", func(d billing.Dispute, m billing.DisputeMessage, left money.Amount) billing.DisputeStep {
			return billing.DecideDispute(billing.Dispute{Amount: d.Amount}, m, left)
		}},
		{"what is held is taken once more", moved(func(before, after *billing.Dispute, move *billing.DisputeMove) {
			move.Take += min(move.Capture, 1)
		})},
		{"a loss is not undone when it is won later", moved(func(before, after *billing.Dispute, move *billing.DisputeMove) {
			after.Lost += move.Restore
			move.Restore = 0
		})},
		{"nothing is given back when it is won", moved(func(before, after *billing.Dispute, move *billing.DisputeMove) {
			after.Held += move.Release
			move.Release = 0
		})},
		{"all of it is held, whatever the lot has left", moved(func(before, after *billing.Dispute, move *billing.DisputeMove) {
			if move.Hold > 0 {
				move.Hold, after.Held = after.Amount, after.Amount
			}
		})},
		{"what the lot cannot answer for is forgotten", moved(func(before, after *billing.Dispute, move *billing.DisputeMove) {
			move.Owe, after.Debt = 0, 0
		})},
	} {
		if _, complaint := allDisputes(mistake.decide, 3); complaint == "" {
			t.Errorf("not noticed: %s", mistake.name)
		}
	}
}

// TestDisputesOfALotThatIsSpent has the customer spend and top up between messages:
// the lot answers with what it has, the rest is a debt, and nothing remains of what
// was won.
func TestDisputesOfALotThatIsSpent(t *testing.T) {
	t.Parallel()
	all := everyMessage()
	for row := range len(all) * len(all) * len(all) {
		for spends := range 27 {
			const amount = 3
			d, lot := billing.Dispute{Amount: amount}, disputed{left: 2}
			for rest, spent, i := row, spends, 0; i < 3; rest, spent, i = rest/len(all), spent/3, i+1 {
				step := billing.DecideDispute(d, all[rest%len(all)], lot.left)
				d = step.Dispute
				lot.carryOut(step.DisputeMove)
				claim := d.Claim()
				if min(lot.left, lot.held, lot.lost, lot.debt) < 0 || lot.held+lot.lost > amount ||
					claim == billing.ClaimTake && lot.lost+lot.debt != amount ||
					claim != billing.ClaimNone && lot.left > 0 && lot.held+lot.lost != amount ||
					claim == billing.ClaimNone && lot.held+lot.lost+lot.debt != 0 {
					t.Fatalf("row %d, spends %d: %s with %+v", row, spends, claim, lot)
				}
				lot.left = max(lot.left+money.Amount(spent%3)-1, 0)
			}
		}
	}
}
