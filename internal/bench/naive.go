package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// NaiveCommand is the hidden verb under which the binary must call
// [ServeNaive].
const NaiveCommand = "bench-target-naive"

// naiveURL is the variable that tells the naive handler its database.
const naiveURL = "BENCH_DATABASE_URL"

// naivePool is the number of connections that the naive handler is fastest
// with.
const naivePool = 16

// naive is a ledger as it is usually written: each request is a transaction of
// its own, with a round trip for each statement.
type naive struct {
	database *database
	server   *target
	load     *ledgerLoad
}

const naiveSchema = `
	create table wallets (
	  customer_id text collate "C" not null primary key,
	  balance     bigint           not null check (balance >= 0),
	  seq         bigint           not null
	) with (fillfactor = 70);
	create table idempotency_keys (
	  customer_id text collate "C" not null,
	  key         text collate "C" not null,
	  seq         bigint           not null,
	  primary key (customer_id, key)
	);
	create table ledger_entries (
	  customer_id    text collate "C" not null,
	  seq            bigint           not null,
	  amount         bigint           not null,
	  before_balance bigint           not null,
	  after_balance  bigint           not null,
	  reason         text             not null,
	  created_at     timestamptz      not null,
	  primary key (customer_id, seq)
	);
	create table outbox (
	  id      bigint generated always as identity primary key,
	  payload text   not null
	);`

// startNaive makes the tables with a wallet for each customer, and starts the
// handler.
func (b *bench) startNaive(ctx context.Context, p *population) (_ *naive, err error) {
	n := &naive{load: &ledgerLoad{population: p}}
	if n.database, err = createDatabase(ctx, b.options.DatabaseURL); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if err := n.fill(ctx, p); err != nil {
		return nil, fmt.Errorf("fill the naive ledger: %w", err)
	}
	command := exec.Command(b.options.Executable, NaiveCommand)
	n.server, err = startHandler(ctx, "the naive handler", command, naiveURL+"="+n.database.url)
	return n, err
}

func (n *naive) fill(ctx context.Context, p *population) (err error) {
	conn, err := pgx.Connect(ctx, n.database.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, naiveSchema); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `insert into wallets select id, $2, 0 from unnest($1::text[]) as id`, p.ids, 10*creditAmount)
	return err
}

func (n *naive) close() error { return errors.Join(n.server.stop(), n.database.drop()) }

// ServeNaive is the handler that PostgreSQL's figures are compared with. It
// reads, decides and answers as little as can be called an entry.
func ServeNaive(ctx context.Context, in io.Reader, out io.Writer) error {
	config, err := pgxpool.ParseConfig(os.Getenv(naiveURL))
	if err != nil {
		return err
	}
	config.MaxConns = naivePool
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	return serveHandler(ctx, in, out, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // the question whether it is ready
		}
		var entry naiveEntry
		if err := json.NewDecoder(r.Body).Decode(&entry); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		entry.customer = strings.Split(r.URL.Path, "/")[2]
		balance, seq, err := entry.post(r.Context(), pool)
		switch {
		case errors.Is(err, errNoFunds):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(noFundsCode) // the client went away
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			w.Header()["Content-Type"] = []string{"application/json"}
			_, _ = fmt.Fprintf(w, `{"balance":%d,"seq":%d}`, balance, seq) // the client went away
		}
	})
}

type naiveEntry struct {
	customer string
	Amount   int64  `json:"amount"`
	Type     string `json:"entry_type"`
	Reason   string `json:"reason"`
	Key      string `json:"idempotency_key"`
}

var errNoFunds = errors.New("not enough funds")

// post takes seven round trips.
func (e *naiveEntry) post(ctx context.Context, pool *pgxpool.Pool) (balance, seq int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		const lock = `select balance, seq from wallets where customer_id = $1 for update`
		if err := tx.QueryRow(ctx, lock, e.customer).Scan(&balance, &seq); err != nil {
			return err
		}
		before := balance
		if balance += e.Amount; e.Type == "debit" {
			balance -= 2 * e.Amount
		}
		if seq++; balance < 0 {
			return errNoFunds
		}
		for _, statement := range []struct {
			query     string
			arguments []any
		}{
			{`insert into idempotency_keys values ($1, $2, $3)`, []any{e.customer, e.Key, seq}},
			{`insert into ledger_entries values ($1, $2, $3, $4, $5, $6, $7)`,
				[]any{e.customer, seq, e.Amount, before, balance, e.Reason, time.Now()}},
			{`insert into outbox (payload) values ($1)`, []any{fmt.Sprintf(`{"customer":%q,"seq":%d}`, e.customer, seq)}},
			{`update wallets set balance = $2, seq = $3 where customer_id = $1`, []any{e.customer, balance, seq}},
		} {
			if _, err := tx.Exec(ctx, statement.query, statement.arguments...); err != nil {
				return err
			}
		}
		return nil
	})
	return balance, seq, err
}
