package cli

import (
	"strings"
	"testing"
	"time"
)

// A server says when it last found its ledger right, and one that is told not to
// look has nothing to say.
func TestAServerAuditsItself(t *testing.T) {
	t.Parallel()
	const gauge = "billfold_self_audit_last_clean_timestamp_seconds "
	s := startServer(t, expiredData(t), nil, "--self-audit-percent", "50")
	for giveUp := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, metrics := s.get(t, "/metrics")
		if strings.Contains(metrics, gauge) && !strings.Contains(metrics, gauge+"0\n") {
			break
		}
		if time.Now().After(giveUp) {
			t.Fatalf("no round was clean\n%s\n%s", metrics, s.stderr)
		}
	}
	if _, metrics := s.get(t, "/metrics"); !strings.Contains(metrics, "billfold_self_audit_broken_laws 0\n") {
		t.Errorf("metrics: got %s, want no law broken", metrics)
	}
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, s.stderr)
	}
	s = startServer(t, expiredData(t), nil, "--self-audit-percent", "0")
	if _, metrics := s.get(t, "/metrics"); strings.Contains(metrics, "billfold_self_audit") {
		t.Errorf("metrics: got %s, want none of the self-audit", metrics)
	}
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, s.stderr)
	}
}
