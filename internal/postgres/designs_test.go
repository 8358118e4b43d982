package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/verify"
)

// duel is what became of debits of 1 that raced for a balance.
type duel struct {
	accepted, refused, conflicts int
}

var duelsFlag = flag.Int("duels", 2, "races of each design that is right")

const (
	duelBalance = 100
	duelDebits  = 320
	duelHands   = 16
)

// race has many hands take from one new wallet, each through one of the stores.
func (i *installation) race(customer string, stores []ledger.Store) (d duel) {
	i.t.Helper()
	request := ledger.PostRequest{
		Tenant: i.tenant, CustomerID: i.customer(customer), Currency: "USD", CurrencyEnabled: true, CreatedBy: "key_1",
		Direction: ledger.Credit, Amount: duelBalance,
	}
	post := func(hand int) error {
		_, err := ledger.NewBook(stores[hand%len(stores)], time.Now, rand.Uint64).Post(context.Background(), request)
		return err
	}
	if err := post(0); err != nil {
		i.t.Fatal(err)
	}
	request.Direction, request.Amount = ledger.Debit, 1
	var mu sync.Mutex
	var running sync.WaitGroup
	start := make(chan struct{})
	for hand := range duelHands {
		running.Go(func() {
			<-start
			for range duelDebits / duelHands {
				err := post(hand)
				mu.Lock()
				switch ledger.CodeOf(err) {
				case "":
					d.accepted++
				case ledger.CodeInsufficientFunds:
					d.refused++
				case ledger.CodeStorageUnavailable: // met others in every try
					d.conflicts++
				default:
					i.t.Errorf("debit: got %v", err)
				}
				mu.Unlock()
			}
		})
	}
	close(start)
	running.Wait()
	return d
}

// withoutBelt takes the constraints away that stop a wrong design at its first
// mistake, so that the design itself is what is tested.
func (i *installation) withoutBelt() {
	i.t.Helper()
	conn := connect(i.t, i.url)
	const drop = `
	  alter table ledger_entries drop constraint ledger_entries_pkey;
	  alter table ledger_entries drop constraint ledger_entries_customer_id_tenant_currency_seq_key;
	  alter table ledger_entries drop constraint ledger_entries_customer_id_tenant_idempotency_key_key;
	  create index ledger_entries_position on ledger_entries (customer_id, tenant, position);
	  create index ledger_entries_key on ledger_entries (customer_id, tenant, idempotency_key);
	  alter table wallets drop constraint wallets_balance_check, drop constraint wallets_check,
	                      drop constraint wallets_check1`
	if _, err := conn.Exec(i.t.Context(), drop); err != nil {
		i.t.Fatal(err)
	}
}

// TestRacingDesigns shows why the store locks the customer's row and reads
// afterwards: designs that do not, most of which look right and some of which
// were shipped by others, let more out of a wallet than is in it.
func TestRacingDesigns(t *testing.T) {
	t.Parallel()
	type design = func(*postgres.DB, string) postgres.Design
	const committed, repeatable, serializable = "read committed", "repeatable read", "serializable"
	for _, d := range []struct {
		name      string
		design    design
		isolation string
		right     bool
		laws      bool // the design keeps the wallets' rows, so that every law can be checked
	}{
		{"read then write the new balance", postgres.ReadThenWrite, committed, false, true},
		{"read then write the new balance", postgres.ReadThenWrite, repeatable, true, true},
		{"read then write the new balance", postgres.ReadThenWrite, serializable, true, true},
		{"read then decrement", postgres.ReadThenDecrement, committed, false, true},
		{"read then decrement", postgres.ReadThenDecrement, repeatable, true, false},
		{"read then decrement", postgres.ReadThenDecrement, serializable, true, false},
		{"sum the entries then insert", postgres.SumThenInsert, committed, false, false},
		{"sum the entries then insert", postgres.SumThenInsert, repeatable, false, false},
		{"sum the entries then insert", postgres.SumThenInsert, serializable, true, false},
		{"lock the latest entry then insert", postgres.LockLatestThenInsert, committed, false, false},
		{"lock the latest entry then insert", postgres.LockLatestThenInsert, repeatable, false, false},
		{"lock the latest entry then insert", postgres.LockLatestThenInsert, serializable, true, false},
	} {
		t.Run(d.name+" at "+d.isolation, func(t *testing.T) {
			i := newInstallation(t, servers[0], 3)
			i.withoutBelt()
			var stores []ledger.Store
			for _, db := range i.instances {
				stores = append(stores, d.design(db, d.isolation))
			}
			i.wantDuel(stores, d.right)
			report, err := verify.Run(t.Context(), verify.Options{DatabaseURL: i.url})
			if err != nil {
				t.Fatal(err)
			}
			if d.laws && report.Clean() != d.right {
				t.Errorf("verify: got clean %t, want %t: %v", report.Clean(), d.right, report.Findings)
			}
		})
	}
	t.Run("lock the customer then read", func(t *testing.T) {
		i := newInstallation(t, servers[0], 3)
		i.withoutBelt()
		var stores []ledger.Store
		for _, db := range i.instances {
			stores = append(stores, db)
		}
		i.wantDuel(stores, true)
		i.verify()
	})
}

// wantDuel wants every race to end right, or one of some to show the mistake.
func (i *installation) wantDuel(stores []ledger.Store, right bool) {
	i.t.Helper()
	rounds := *duelsFlag
	if !right {
		rounds *= 10
	}
	for round := range rounds {
		d := i.race(fmt.Sprintf("cus_duel_%d", round), stores)
		i.t.Logf("round %d: %d of %d accepted on a balance of %d, %d refused, %d met others in every try",
			round, d.accepted, duelDebits, duelBalance, d.refused, d.conflicts)
		if wrong := d.accepted != duelBalance; wrong {
			if right {
				i.t.Errorf("accepted: got %d, want %d", d.accepted, duelBalance)
			}
			return
		}
		if right && d.accepted+d.refused+d.conflicts != duelDebits {
			i.t.Errorf("got %+v, want %d answers", d, duelDebits)
		}
	}
	if !right {
		i.t.Errorf("got %d accepted in each of %d rounds, want the mistake to show", duelBalance, rounds)
	}
}
