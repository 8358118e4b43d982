package cli

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What copy asks for, it says; what it was given and must not use, it refuses.
func TestCopyRefusals(t *testing.T) {
	t.Parallel()
	dir, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "other")
	s := startServer(t, dir, nil)
	run(t, nil, "copy", "--from", dir, "--to", other).wantCode(t, exitFailed, "is in use by process", "stop it first")
	s.stop(t)
	run(t, nil, "copy", "--from", dir).wantCode(t, exitUsage, "--to is missing")
	run(t, nil, "copy", "--from", dir, "--to", dir+"/").wantCode(t, exitUsage, "source and target are the same")
	run(t, nil, "copy", "--from", other, "--to", dir).wantCode(t, exitFailed, "no secret key")
	other = filepath.Join(t.TempDir(), "none")
	key := "BILLFOLD_SECRET_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, secretKeyBytes))
	run(t, []string{key}, "copy", "--from", other, "--to", filepath.Join(other, "x")).
		wantCode(t, exitFailed, "there is no database")
	run(t, []string{key}, "copy", "--from", dir, "--to", other).wantCode(t, exitFailed, "the copy keeps the source's")
	run(t, nil, "copy", "--from", "postgres://u:hunter2@127.0.0.1:1/none", "--to", other).
		wantCode(t, exitUsage, "the secret key of the instances is missing")
	refused := run(t, []string{key}, "copy", "--from", "postgres://u:hunter2@127.0.0.1:1/none", "--to", other)
	if refused.wantCode(t, exitFailed, "PostgreSQL at 127.0.0.1:1/none"); strings.Contains(refused.stderr, "hunter2") {
		t.Errorf("stderr: got %q, want no password", refused.stderr)
	}
	if _, err := os.Stat(other); err == nil {
		t.Errorf("%s: got it made, want refused copies to make nothing", other)
	}
	occupied := t.TempDir()
	write(t, filepath.Join(occupied, "notes.txt"), "mine")
	run(t, nil, "copy", "--from", dir, "--to", occupied).wantCode(t, exitFailed, "is not empty (notes.txt)")
}

// The copy is served with the keys, the secret, the customers and the webhooks of its
// source, and what had not been queued for these when that was stopped.
func TestCopyIsServed(t *testing.T) {
	t.Parallel()
	dir, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "copy")
	s := startServer(t, dir, nil)
	id, key := s.customer(t, s.testKey), s.testKey
	hook := decode[webhookView](t, run(t, s.environ(), "webhooks", "create", "https://receiver.example.com/", "--types",
		"wallet.credited", "-o", "json")).ID
	run(t, s.environ(), "ledger", "credit", id, "USD", "500").wantCode(t, exitDone)
	s.stop(t)
	copied := decode[transferDocument](t, run(t, nil, "copy", "--from", dir, "--to", other, "-o", "json"))
	if copied.Customers != 1 || copied.Resumed || copied.To != other {
		t.Errorf("copy: got %+v, want one customer and nothing resumed", copied)
	}
	run(t, nil, "copy", "--from", dir, "--to", other).wantCode(t, exitDone, "has not changed since; nothing was done")
	one, err := os.ReadFile(filepath.Join(dir, secretKeyName))
	if err != nil {
		t.Fatal(err)
	}
	if two, err := os.ReadFile(filepath.Join(other, secretKeyName)); err != nil || string(two) != string(one) {
		t.Errorf("secret key of the copy: got %q, %v; want that of the source", two, err)
	}
	for _, left := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(filepath.Join(dir, "billfold.db"+left)); err == nil {
			t.Errorf("billfold.db%s: got it left beside the source, want nothing", left)
		}
	}
	again := startServer(t, other, nil)
	if again.testKey != "" {
		t.Error("the copy made a business of its own, want it to have the source's")
	}
	if status, body := again.do(t, "GET", "/customers/"+id, key, ""); status != 200 {
		t.Errorf("customer of the source: got %d %s, want 200", status, body)
	}
	again.testKey = key
	type deliveries struct{ Items []deliveryView }
	sent := decode[deliveries](t, run(t, again.environ(), "webhooks", "deliveries", hook, "-o", "json")).Items
	if len(sent) != 1 || sent[0].Type != "wallet.credited" {
		t.Errorf("webhook of the source: got %+v, want the one event that was for it", sent)
	}
	again.stop(t)
	another := startServer(t, dir, nil)
	another.customer(t, key)
	another.stop(t)
	run(t, nil, "copy", "--from", dir, "--to", other).wantCode(t, exitFailed, "the source has changed since")
}
