package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func trailScenarios() []scenario {
	return []scenario{
		{"a business has a trail of settings and keys", trailOfBusiness},
		{"what is refused or changes nothing leaves no line", trailWithoutLines},
		{"concurrent changes leave one line each, in one chain", trailConcurrent},
		{"a trail is read page by page, and nobody else's", trailPages},
	}
}

// trail is the whole trail of a business in one mode, oldest first, with every hash
// recomputed.
func (w *world) trail(tenant ledger.Tenant) (lines []ledger.AuditEntry) {
	w.Helper()
	list, err := w.access.BusinessAudit(w.Context(), tenant, ledger.AuditPage{Limit: 200})
	w.wantCode(err, "")
	last := ledger.AuditEntry{}
	for i := range list.Entries {
		line := list.Entries[len(list.Entries)-1-i]
		if line.Position != int64(i+1) || line.Hash != line.ChainHash(last.Hash) || line.CreatedAt.Before(last.CreatedAt) ||
			line.Tenant != tenant || line.CustomerID != "" || line.Reason != "" {
			w.Errorf("line %d: got %+v on top of %+v", i+1, line, last)
		}
		lines, last = append(lines, line), line
	}
	return lines
}

// wantLine compares what a line says with what is to stand there.
func (w *world) wantLine(line ledger.AuditEntry, action ledger.AuditAction, by access.Change, before, after string) {
	w.Helper()
	if line.Action != action || line.By != by.By || !line.CreatedAt.Equal(by.Now) ||
		line.Before != before || line.After != after {
		w.Errorf("got %s by %+v at %s, before %s, after %s\nwant %s by %+v at %s, before %s, after %s", line.Action, line.By,
			line.CreatedAt, line.Before, line.After, action, by.By, by.Now, before, after)
	}
}

func trailOfBusiness(w *world) {
	b := access.Business{ID: w.book.NewID("bus_"), Name: `"Acme" & Söhne`, CreatedAt: epoch}
	tenant := ledger.Tenant{BusinessID: b.ID, Mode: ledger.Live}
	first := w.key(tenant, func(k *access.Key) { k.Name, k.ExpiresAt = "first", epoch.Add(time.Hour) })
	other := w.key(ledger.Tenant{BusinessID: b.ID, Mode: ledger.Test})
	w.wantCode(w.access.CreateBusiness(w.Context(), b, defaultSettings(), []access.Key{other, first}), "")
	change := w.change()
	_, err := w.access.UpdateSettings(w.Context(), tenant, change, func(s access.Settings) (access.Settings, error) {
		s.OnDuplicate, s.USDRates = access.Replay, map[money.Currency]string{"INR": "0.0119"}
		return s, nil
	})
	w.wantCode(err, "")
	// A clock that goes back does not take the trail with it.
	_, err = w.access.RevokeKey(w.Context(), first.ID, epoch.Add(-time.Hour))
	w.wantCode(err, "")

	lines := w.trail(tenant)
	if len(lines) != 4 {
		w.Fatalf("got %d lines, want 4", len(lines))
	}
	if made := lines[0]; made.Action != access.AuditBusiness || !strings.Contains(made.After, `"name":"\"Acme\" & Söhne"`) ||
		!strings.Contains(made.After, `"on_duplicate":"conflict"`) || !strings.Contains(made.Before, `"name":null`) {
		w.Errorf("first line: got %+v", made)
	}
	named := `{"` + first.ID + `":`
	if line := lines[1]; line.Action != access.AuditKeyCreate || line.Before != named+"null}" ||
		!strings.Contains(line.After, `"expires_at":"2026-03-01T13:00:00.123457Z"`) || !strings.Contains(line.After, `"name":"first"`) {
		w.Errorf("line of the key: got %+v", line)
	}
	w.wantLine(lines[2], access.AuditSettings, change, `{"on_duplicate":"conflict","usd_rates":null}`,
		`{"on_duplicate":"replay","usd_rates":{"INR":"0.0119"}}`)
	revoked := lines[3]
	if revoked.Action != access.AuditKeyRevoke || revoked.Before != lines[1].After ||
		!revoked.CreatedAt.Equal(lines[2].CreatedAt) || !strings.Contains(revoked.After, `"revoked_at":"2026-03-01T11:00:00.123457Z"`) {
		w.Errorf("line of the revoked key: got %+v", revoked)
	}
	if got := w.trail(ledger.Tenant{BusinessID: b.ID, Mode: ledger.Test}); len(got) != 2 {
		w.Errorf("trail of the other mode: got %d lines, want 2", len(got))
	}
}

func trailWithoutLines(w *world) {
	key := w.storeKey(w.shop)
	_, err := w.access.RevokeKey(w.Context(), key.ID, epoch)
	w.wantCode(err, "")
	before := w.trail(w.shop)
	_, err = w.access.RevokeKey(w.Context(), key.ID, epoch.Add(time.Hour))
	w.wantCode(err, "")
	refusal := ledger.Errorf(ledger.CodeInvalidSettings, "no")
	_, err = w.access.UpdateSettings(w.Context(), w.shop, w.change(),
		func(s access.Settings) (access.Settings, error) { return s, refusal })
	w.wantCode(err, ledger.CodeInvalidSettings)
	taken := w.key(w.shop, func(k *access.Key) { k.Hash = key.Hash })
	if err := w.access.CreateKey(w.Context(), taken); err == nil {
		w.Error("a key whose hash is used: got no error, want one")
	}
	w.same("trail", before, w.trail(w.shop))
}

func trailConcurrent(w *world) {
	before := len(w.trail(w.shop))
	const changes = 12
	keys, wants := make([]access.Key, changes), make([]access.Change, changes)
	for i := range changes {
		keys[i], wants[i] = w.key(w.shop), w.change()
	}
	together(changes, func(i int) {
		_, err := w.access.UpdateSettings(w.Context(), w.shop, wants[i], func(s access.Settings) (access.Settings, error) {
			s.ReversalGraceSeconds += int64(i) + 1
			return s, nil
		})
		if err == nil {
			err = w.access.CreateKey(w.Context(), keys[i])
		}
		if err == nil {
			_, err = w.access.RevokeKey(w.Context(), keys[i].ID, epoch)
		}
		if err != nil {
			w.Errorf("change %d: got error %v, want none", i, err)
		}
	})
	lines := w.trail(w.shop)[before:]
	counts := map[ledger.AuditAction]int{}
	grace := "0"
	for _, line := range lines {
		counts[line.Action]++
		if line.Action != access.AuditSettings {
			continue
		}
		if want := `{"reversal_grace_seconds":` + grace + `}`; line.Before != want {
			w.Errorf("before: got %s, want %s", line.Before, want)
		}
		grace = strings.TrimSuffix(strings.TrimPrefix(line.After, `{"reversal_grace_seconds":`), "}")
	}
	want := map[ledger.AuditAction]int{
		access.AuditSettings: changes, access.AuditKeyCreate: changes, access.AuditKeyRevoke: changes,
	}
	w.same("lines", want, counts)
	if want := fmt.Sprint(changes * (changes + 1) / 2); grace != want {
		w.Errorf("the trail leaves %s, want %s", grace, want)
	}
}

func trailPages(w *world) {
	for range 7 {
		w.storeKey(w.shop)
	}
	want := w.trail(w.shop)
	var got []ledger.AuditEntry
	for page := (ledger.AuditPage{Limit: 3}); ; {
		list, err := w.access.BusinessAudit(w.Context(), w.shop, page)
		w.wantCode(err, "")
		if len(list.Entries) > page.Limit {
			w.Fatalf("got %d lines, want %d at the most", len(list.Entries), page.Limit)
		}
		for _, line := range list.Entries {
			got = append([]ledger.AuditEntry{line}, got...)
		}
		if page.Before = list.Next; page.Before == 0 {
			break
		}
	}
	w.same("all pages", want, got)
	for _, tenant := range []ledger.Tenant{
		{}, {BusinessID: "bus_unknown", Mode: ledger.Test}, {BusinessID: w.shop.BusinessID, Mode: "Test"}, {BusinessID: "\x00", Mode: ledger.Test},
	} {
		_, err := w.access.BusinessAudit(w.Context(), tenant, ledger.AuditPage{Limit: 10})
		w.wantCode(err, ledger.CodeNotFound)
	}
}
