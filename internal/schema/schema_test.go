package schema_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/billfold/billfold/internal/schema"
)

func files(names ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, name := range names {
		files["migrations/"+name] = &fstest.MapFile{Data: []byte("-- " + name)}
	}
	return files
}

func TestRead(t *testing.T) {
	t.Parallel()
	steps, err := schema.Read(files("0001_ledger.sql", "0002_keys_again.sql"))
	if err != nil || len(steps) != 2 {
		t.Fatalf("got %v, %v; want two steps", steps, err)
	}
	if got := steps[1]; got.Version != 2 || got.Name != "keys_again" || got.SQL != "-- 0002_keys_again.sql" || len(got.Checksum) != 64 {
		t.Errorf("got %+v", got)
	}
	for _, bad := range [][]string{{"0002_ledger.sql"}, {"0001_a.sql", "0003_b.sql"}, {"0001_a.sql", "0001_b.sql"}, {"ledger.sql"}} {
		if steps, err := schema.Read(files(bad...)); err == nil || !strings.Contains(err.Error(), "want number") {
			t.Errorf("%v: got %v, %v; want an error about a number", bad, steps, err)
		}
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	known, err := schema.Read(files("0001_a.sql", "0002_b.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for seen := range 3 {
		if pending, err := schema.Pending(known, known[:seen]); err != nil || len(pending) != 2-seen {
			t.Errorf("%d seen: got %v, %v; want %d", seen, pending, err, 2-seen)
		}
	}
	edited := []schema.Migration{{Version: 1, Name: "a", Checksum: "x"}}
	if _, err := schema.Pending(known, edited); err == nil || !strings.Contains(err.Error(), "0001_a was applied with other text") {
		t.Errorf("an edited step: got %v", err)
	}
	if _, err := schema.Pending(known, known[1:]); err == nil || !strings.Contains(err.Error(), "version 2 where 1 belongs") {
		t.Errorf("a gap: got %v", err)
	}
	var newer *schema.NewerError
	if _, err := schema.Pending(known[:1], known); !errors.As(err, &newer) || newer.Version != 2 || newer.Known != 1 {
		t.Errorf("a newer database: got %v", err)
	}
}
