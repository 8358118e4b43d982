package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options say how a copy is watched and proved.
type Options struct {
	// Name is the source for people. It is kept in the target.
	Name string

	// SecretCheck is kept in a target that keeps one, when the source has none.
	SecretCheck []byte

	// VerifySource and VerifyTarget prove every law of the ledger on a side and
	// return the number of entries that they saw.
	VerifySource func(ctx context.Context) (entries int64, err error)
	VerifyTarget func(ctx context.Context) (entries int64, err error)

	// Prepare is called when the target was found to be empty or a copy of this
	// source; nil is allowed.
	Prepare func() error

	// Progress is called now and then with how many entries are copied; nil is
	// allowed.
	Progress func(done, total int64)

	// BatchRows is how many rows are written together at the most; 0 means
	// 10,000. Tests make it small.
	BatchRows int
}

// Report says what a run came to.
type Report struct {
	Entries   int64 // in the copy
	Customers int64

	Copied   int64         // entries of this run
	Copying  time.Duration // how long this run copied
	Resumed  bool          // an earlier run had begun
	Finished time.Time     // when the copy was finished, by this run or before
	Already  bool          // it was finished before this run
}

// Run makes the target a copy of the source, or goes on with it.
func Run(ctx context.Context, source Source, target Target, options Options) (report Report, err error) {
	installation, err := source.Installation(ctx)
	if err != nil {
		return Report{}, err
	}
	state, err := StateOf(ctx, source)
	if err != nil {
		return Report{}, err
	}
	record, err := target.Record(ctx)
	if err != nil {
		return Report{}, err
	}
	report.Resumed = record != nil
	if record != nil {
		err = record.refuseOther(installation, state)
	}
	if err == nil && options.Prepare != nil {
		err = options.Prepare()
	}
	if err == nil && record == nil {
		record, err = begin(ctx, installation, state, target, options)
	}
	if err != nil {
		return Report{}, err
	}
	if report.Entries, err = source.Count(ctx, Entries); err != nil {
		return Report{}, err
	}
	if report.Customers, err = source.Count(ctx, Customers); err != nil {
		return Report{}, err
	}
	if !record.FinishedAt.IsZero() {
		report.Already, report.Finished = true, record.FinishedAt
		return report, nil
	}
	began, before := time.Now(), record.Entries
	err = copyTables(ctx, source, target, record, report.Entries, options)
	report.Copied, report.Copying = record.Entries-before, time.Since(began)
	if err == nil {
		err = target.Settle(ctx)
	}
	if err != nil {
		return Report{}, &InterruptedError{err}
	}
	if err := prove(ctx, source, target, report.Entries, options); err != nil {
		return Report{}, err
	}
	if err := source.Confirm(ctx); err != nil {
		return Report{}, &InterruptedError{err}
	}
	report.Finished = time.Now().UTC().Truncate(time.Microsecond)
	if err := target.Finish(ctx, report.Finished); err != nil {
		return Report{}, &InterruptedError{err}
	}
	return report, nil
}

// begin proves the source, because a copy of what is broken would only be found
// out at its end, and makes the target the beginning of a copy.
func begin(
	ctx context.Context, installation Installation, state [32]byte, target Target, options Options,
) (*Record, error) {
	if _, err := options.VerifySource(ctx); err != nil {
		return nil, fmt.Errorf("the source cannot be copied: %w", err)
	}
	if installation.SecretCheck == nil {
		installation.SecretCheck = options.SecretCheck
	}
	record := &Record{
		Source: options.Name, Origin: installation.Origin, State: state,
		Table: Tables()[0].Name, BeganAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	return record, target.Begin(ctx, installation, *record)
}

// refuseOther refuses a source that is not the one with which a copy was begun,
// or not what it was then.
func (r *Record) refuseOther(installation Installation, state [32]byte) error {
	switch {
	case r.Origin != installation.Origin:
		return fmt.Errorf("the target is a copy of another installation, %s, which was begun on %s; "+
			"name that as the source, or an empty target", r.Source, r.BeganAt.UTC().Format(time.RFC3339))
	case r.State == state:
		return nil
	case r.FinishedAt.IsZero():
		return fmt.Errorf("the source has changed since this copy was begun on %s, so the copy cannot go on; "+
			"begin again with an empty target, and keep the source stopped until the copy is finished",
			r.BeganAt.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("this copy was finished on %s, and the source has changed since: what was written to the source after that "+
		"is not in the target; decide which of both is to be used, or copy again to an empty target",
		r.FinishedAt.UTC().Format(time.RFC3339))
}

// prove holds the copy against the laws and against its source.
func prove(ctx context.Context, source, target Reader, want int64, options Options) error {
	got, err := options.VerifyTarget(ctx)
	if err != nil {
		return fmt.Errorf("the copy does not verify, and is not finished: %w", err)
	}
	if got != want {
		return &DifferenceError{Entries.Name, "any", fmt.Sprintf("the copy has %d of them, the source %d", got, want)}
	}
	return compare(ctx, source, target)
}

// What a batch holds at most.
const (
	batchRows  = 10_000
	batchBytes = 8 << 20
)

// batch is rows of one table that are written together.
type batch struct {
	table *Table
	rows  []Row
	size  int
	place Place // of the last row
}

// copyTables copies what the record says is missing. One goroutine reads while
// this one writes; at most three batches are in memory.
func copyTables(
	ctx context.Context, source Reader, target Target, record *Record, total int64, options Options,
) error {
	ctx, cancel := context.WithCancel(ctx)
	full, failed := make(chan *batch, 1), make(chan error, 1)
	reader := &batchReader{source: source, full: full, rowsMax: options.BatchRows}
	if reader.rowsMax <= 0 {
		reader.rowsMax = batchRows
	}
	table, place := record.Table, record.Place
	go func() {
		defer close(full)
		failed <- reader.read(ctx, table, place)
	}()
	var err error
	for b := range full {
		if err != nil {
			continue // the reader is about to end
		}
		now := *record
		if now.Place, err = b.place.Text(); err == nil {
			now.Table = b.table.Name
			if b.table == Entries {
				now.Entries += int64(len(b.rows))
			}
			err = target.Write(ctx, b.table, b.rows, *record, now)
		}
		if err != nil {
			err = fmt.Errorf("write %s: %w", b.table.Name, err)
			cancel()
			continue
		}
		*record = now
		if options.Progress != nil {
			options.Progress(now.Entries, total)
		}
	}
	readErr := <-failed
	cancel()
	if err != nil {
		return err // the reader ended because of it
	}
	return readErr
}

// batchReader gathers what it reads into batches.
type batchReader struct {
	source  Reader
	full    chan<- *batch
	rowsMax int
}

// read sends the rows of a table after a place, and of the tables that follow
// it.
func (r *batchReader) read(ctx context.Context, name, text string) error {
	place, err := ParsePlace(text)
	if err != nil {
		return err
	}
	tables := Tables()
	for len(tables) > 0 && tables[0].Name != name {
		tables = tables[1:]
	}
	if len(tables) == 0 {
		return fmt.Errorf("the copy stopped in table %q, which this binary does not know; go on with the newer one", name)
	}
	for _, table := range tables {
		if err := r.readTable(ctx, table, place); err != nil {
			return fmt.Errorf("read %s: %w", table.Name, err)
		}
		place = nil
	}
	return nil
}

func (r *batchReader) readTable(ctx context.Context, table *Table, after Place) error {
	b := &batch{table: table}
	send := func() error {
		select {
		case r.full <- b:
			b = &batch{table: table, rows: make([]Row, 0, len(b.rows))}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for item, err := range r.source.Read(ctx, table, after) {
		if err != nil {
			return err
		}
		if len(item.Row) != len(table.Columns) {
			return errors.New("a row has not the columns of its table")
		}
		b.rows, b.place = append(b.rows, item.Row), item.Place
		b.size += item.Row.size()
		if len(b.rows) == r.rowsMax || b.size >= batchBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	return send()
}
