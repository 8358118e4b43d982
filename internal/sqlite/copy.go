package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/schema"
	"github.com/billfold/billfold/internal/transfer"
)

// CopySource is an embedded store that is read from one end to the other while
// nobody may write to it. It implements transfer.Source.
type CopySource struct {
	copyReader
	path string
	lock *os.File
}

// OpenCopySource takes the lock of a data directory and opens the database in
// it for reading. It refuses a directory that a server holds, a schema that is
// not this binary's, and a copy that is not finished.
func OpenCopySource(dir string) (_ *CopySource, err error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database %s", path)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	// What is copied must be on the disk: a power cut could otherwise take from
	// the source what the copy has.
	if err := settleLog(path+"-wal", Config{}.withDefaults().OpenLog); err != nil {
		return nil, explain(path, err)
	}
	conn, err := openReader(path)
	if err != nil {
		return nil, explain(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	if err := refuseOtherSchema(conn); err != nil {
		return nil, explain(path, err)
	}
	if err := refuseUnfinished(conn); err != nil {
		return nil, err
	}
	return &CopySource{copyReader: copyReader{conn}, path: path, lock: lock}, run(conn, "begin")
}

// Confirm implements transfer.Source. The lock keeps everybody away.
func (s *CopySource) Confirm(context.Context) error { return nil }

// Close lets go of the directory, and removes what reading has left beside the
// database: files that hold nothing, which another user might not be able to open.
func (s *CopySource) Close() error {
	err := s.conn.Close()
	if info, statErr := os.Stat(s.path + "-wal"); statErr == nil && info.Size() == 0 {
		err = errors.Join(err, removeIfThere(s.path+"-wal"), removeIfThere(s.path+"-shm"))
	}
	return errors.Join(err, s.lock.Close())
}

func refuseOtherSchema(conn *sqlite.Conn) error {
	known, err := Migrations()
	if err != nil {
		return err
	}
	applied, err := appliedMigrations(conn)
	if err != nil {
		return err
	}
	pending, err := schema.Pending(known, applied)
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("the database has schema version %d and this binary writes %d; start `billfold serve` on it once, stop it, and copy then",
			len(applied), len(known))
	}
	return err
}

// refuseUnfinished refuses a database that is a copy which is not whole.
func refuseUnfinished(conn *sqlite.Conn) error {
	record, err := readRecord(conn)
	if err == nil && record != nil && record.FinishedAt.IsZero() {
		err = &transfer.UnfinishedError{Source: record.Source}
	}
	return err
}

// readRecord returns what a copy knows of itself, nil for a database that is none.
func readRecord(conn *sqlite.Conn) (record *transfer.Record, err error) {
	stmt, err := conn.Prepare(`
	  select source, origin, state, table_name, place, entries, began_at, finished_at
	    from copied_from`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	row, err := stmt.Step()
	if err != nil || !row {
		return nil, err
	}
	record = &transfer.Record{
		Source: stmt.ColumnText(0), Table: stmt.ColumnText(3), Place: stmt.ColumnText(4), Entries: stmt.ColumnInt64(5),
		BeganAt: timeOf(stmt.ColumnInt64(6)), FinishedAt: timeOf(stmt.ColumnInt64(7)),
	}
	stmt.ColumnBytes(1, record.Origin[:])
	stmt.ColumnBytes(2, record.State[:])
	return record, nil
}

// copyReader reads the rows of a database as they are carried to another one.
type copyReader struct {
	conn *sqlite.Conn
}

// Installation implements transfer.Source.
func (r copyReader) Installation(context.Context) (installation transfer.Installation, err error) {
	stmt, err := r.conn.Prepare(`select created_at, secret from installation`)
	if err != nil {
		return installation, err
	}
	defer resetting(stmt, &err)
	row, err := stmt.Step()
	if err == nil && !row {
		err = errors.New("nothing was ever served from this database, so there is nothing to copy")
	}
	if err != nil {
		return installation, err
	}
	// Each file draws a secret of its own, so it tells files apart.
	secret := columnBytes(stmt, 1)
	return transfer.Installation{
		CreatedAt: stmt.ColumnInt64(0),
		Origin:    sha256.Sum256(append([]byte("billfold.copy.sqlite\x00"), secret...)),
	}, nil
}

// Count implements transfer.Source.
func (r copyReader) Count(_ context.Context, table *transfer.Table) (int64, error) {
	return numberOf(r.conn, "select count(*) from "+table.Name)
}

// shape is how a table is read here: under which name, where a column has
// another one or comes from another table, and by what it is ordered when not
// by its key.
type shape struct {
	from    string
	columns map[string]string
	order   []string
}

// The entries lie in the order of commits; a cross join keeps to it.
var shapes = map[*transfer.Table]shape{
	transfer.Customers: {from: "customers", columns: map[string]string{"customer_id": "id"}},
	transfer.Wallets: {
		from:    "customers c join wallets w on w.customer = c.no",
		columns: map[string]string{"customer_id": "c.id", "tenant": "c.tenant", "updated_at": "w.updated_at", "alerts": "w.alerts"},
	},
	transfer.WalletLots: {
		from:    "customers c join wallet_lots l on l.customer = c.no",
		columns: map[string]string{"customer_id": "c.id", "tenant": "c.tenant"},
	},
	transfer.LotMarks: {
		from:    "customers c join lot_marks m on m.customer = c.no",
		columns: map[string]string{"customer_id": "c.id", "tenant": "c.tenant"},
	},
	transfer.AuditEntries: {
		from: "customers c join audit_entries a on a.customer = c.no",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "id": "a.id", "created_at": "a.created_at",
		},
	},
	transfer.Transfers: {
		from: "customers c join transfers r on r.customer = c.no",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "id": "r.id", "created_at": "r.created_at", "updated_at": "r.updated_at",
		},
	},
	transfer.Holds: {
		from: "customers c join holds h on h.customer = c.no",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "id": "h.id", "metadata": "h.metadata", "created_at": "h.created_at",
			"updated_at": "h.updated_at",
		},
	},
	transfer.HoldEvents: {
		from: "customers c join hold_events e on e.customer = c.no",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "created_at": "e.created_at", "alerts": "e.alerts",
		},
	},
	transfer.Objects: {
		from: "customers c join objects o on o.customer = c.no",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "id": "o.id", "created_at": "o.created_at", "updated_at": "o.updated_at",
		},
	},
	transfer.ObjectEvents: {
		from:    "customers c join object_events e on e.customer = c.no",
		columns: map[string]string{"customer_id": "c.id", "tenant": "c.tenant", "created_at": "e.created_at"},
	},
	transfer.Notices: {
		from:    "customers c join expiry_notices n on n.customer = c.no",
		columns: map[string]string{"customer_id": "c.id", "tenant": "c.tenant", "id": "n.id", "created_at": "n.created_at"},
	},
	transfer.Entries: {
		from: "ledger_entries e cross join customers c on c.no = e.customer",
		columns: map[string]string{
			"customer_id": "c.id", "tenant": "c.tenant", "id": "e.id", "metadata": "e.metadata", "created_at": "e.created_at",
			"alerts": "e.alerts",
		},
		order: []string{"e.no"},
	},
}

// column is how a column is written in a statement.
func (s shape) column(name string) string {
	if expression := s.columns[name]; expression != "" {
		return expression
	}
	return name
}

// selection is the statement that reads a table, and by which expressions it is
// ordered.
func selection(table *transfer.Table, after transfer.Place) (query string, order int) {
	s, some := shapes[table]
	if !some {
		s.from = table.Name
	}
	by := s.order
	if by == nil {
		for _, name := range table.Key {
			by = append(by, s.column(name))
		}
	}
	selected := append([]string{}, by...)
	for _, column := range table.Columns {
		selected = append(selected, s.column(column.Name))
	}
	where := ""
	if after != nil {
		where = " where (" + strings.Join(by, ", ") + ") > (?" + strings.Repeat(", ?", len(by)-1) + ")"
	}
	return "select " + strings.Join(selected, ", ") + " from " + s.from + where + " order by " + strings.Join(by, ", "), len(by)
}

// Read implements transfer.Source.
func (r copyReader) Read(
	ctx context.Context, table *transfer.Table, after transfer.Place,
) iter.Seq2[transfer.Item, error] {
	return transfer.Sequence(func(yield func(transfer.Item) bool) error { return r.read(ctx, table, after, yield) })
}

func (r copyReader) read(
	ctx context.Context, table *transfer.Table, after transfer.Place, yield func(transfer.Item) bool,
) (err error) {
	query, order := selection(table, after)
	stmt, _, err := r.conn.PrepareTransient(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stmt.Finalize()) }()
	if err := bindPlace(stmt, after); err != nil {
		return err
	}
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		item := transfer.Item{Place: make(transfer.Place, order), Row: make(transfer.Row, len(table.Columns))}
		for i := range item.Place {
			item.Place[i] = placeValue(stmt, i)
		}
		for i, column := range table.Columns {
			if item.Row[i], err = columnValue(stmt, order+i, column.Kind); err != nil {
				return fmt.Errorf("column %s: %w", column.Name, err)
			}
		}
		if !yield(item) {
			return nil
		}
	}
}

func bindPlace(stmt *sqlite.Stmt, place transfer.Place) error {
	for i, value := range place {
		switch value := value.(type) {
		case int64:
			stmt.BindInt64(i+1, value)
		case string:
			stmt.BindText(i+1, value)
		default:
			return errors.New("a place holds a value that is neither number nor text")
		}
	}
	return nil
}

func placeValue(stmt *sqlite.Stmt, column int) any {
	if stmt.ColumnType(column) == sqlite.TypeInteger {
		return stmt.ColumnInt64(column)
	}
	return stmt.ColumnText(column)
}

var errNull = errors.New("it is null where a value belongs")

func columnValue(stmt *sqlite.Stmt, column int, kind transfer.Kind) (any, error) {
	if stmt.ColumnIsNull(column) {
		switch kind {
		case transfer.OptionalText:
			return nil, nil
		case transfer.Numbers:
			return []int64(nil), nil
		case transfer.OptionalNumber:
			return int64(0), nil
		}
		return nil, errNull
	}
	switch kind {
	case transfer.Text, transfer.OptionalText:
		return stmt.ColumnText(column), nil
	case transfer.Flag:
		return stmt.ColumnBool(column), nil
	case transfer.Bytes:
		return columnBytes(stmt, column), nil
	case transfer.Numbers:
		allocations, err := decodeAllocations(columnBytes(stmt, column))
		numbers := make([]int64, 0, 2*len(allocations))
		for _, part := range allocations {
			numbers = append(numbers, part.LotSeq, int64(part.Amount))
		}
		return numbers, err
	}
	return stmt.ColumnInt64(column), nil
}

// bindValue is the reverse of columnValue.
func bindValue(stmt *sqlite.Stmt, param int, value any) error {
	switch value := value.(type) {
	case nil:
		stmt.BindNull(param)
	case string:
		stmt.BindText(param, value)
	case int64:
		stmt.BindInt64(param, value)
	case bool:
		stmt.BindBool(param, value)
	case []byte:
		stmt.BindBytes(param, value)
	case []int64:
		if value == nil {
			stmt.BindNull(param)
			return nil
		}
		if len(value)%2 != 0 {
			return errAllocations
		}
		allocations := make([]ledger.Allocation, 0, len(value)/2)
		for i := 0; i < len(value); i += 2 {
			allocations = append(allocations, ledger.Allocation{LotSeq: value[i], Amount: money.Amount(value[i+1])})
		}
		stmt.BindBytes(param, appendAllocations(nil, allocations))
	default:
		return fmt.Errorf("a value of type %T cannot be stored", value)
	}
	return nil
}
