package httpapi

import (
	"slices"
	"strings"
	"testing"
)

// TestRouteWithoutPermissionDoesNotStart is law N2.
func TestRouteWithoutPermissionDoesNotStart(t *testing.T) {
	t.Parallel()
	forgotten := &route{method: "GET", pattern: "/secrets"}
	if _, err := newRouter(append(apiRoutes(), forgotten)); err == nil || !strings.Contains(err.Error(), "/secrets") {
		t.Errorf("got error %v, want one that names the route", err)
	}
	twice := &route{method: "GET", pattern: "/customers", access: read}
	if _, err := newRouter(append(apiRoutes(), twice)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a route twice: got error %v, want one that says so", err)
	}
}

// secretRoutes show what a read key must not see.
var secretRoutes = map[string]bool{"/webhooks/{webhook_id}/secret": true}

// TestPermissionsOfRoutes keeps every route of the API behind a key except
// those that tell nothing of anybody, and every write and every secret behind a
// write key.
func TestPermissionsOfRoutes(t *testing.T) {
	t.Parallel()
	open := map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true, "/openapi.yaml": true, "/openapi.json": true}
	for _, r := range apiRoutes() {
		want := read
		switch {
		case strings.HasPrefix(r.pattern, "/customer-portal/"):
			want = customer
		case strings.HasPrefix(r.pattern, "/invoices/payments/"), strings.HasPrefix(r.pattern, "/invoices/refunds/"):
			want = reader
		case open[r.pattern], r.notice: // a signature stands in for the key
			want = public
		case r.method != "GET", secretRoutes[r.pattern]:
			want = write
		}
		if r.access != want {
			t.Errorf("%s %s: got permission %d, want %d", r.method, r.pattern, r.access, want)
		}
		if r.body != (r.method != "GET" && r.method != "DELETE") {
			t.Errorf("%s %s: reads a body: %t", r.method, r.pattern, r.body)
		}
	}
	for _, r := range adminRoutes() {
		if r.access != owner || !strings.HasPrefix(r.pattern, "/admin/") {
			t.Errorf("%s %s: got permission %d, want %d under /admin/", r.method, r.pattern, r.access, owner)
		}
	}
}

// TestPatternsFitTheRouter keeps the fixed sizes of the router large enough.
func TestPatternsFitTheRouter(t *testing.T) {
	t.Parallel()
	for _, r := range slices.Concat(apiRoutes(), pageRoutes(), adminRoutes()) {
		if got := strings.Count(r.pattern, "{"); got > paramsMax {
			t.Errorf("%s has %d parameters, more than %d", r.pattern, got, paramsMax)
		}
		if got := strings.Count(r.pattern, "/"); got > segmentsMax {
			t.Errorf("%s has %d segments, more than %d", r.pattern, got, segmentsMax)
		}
	}
	for name, names := range map[string][]string{
		"entries": entryListParams, "customers": customerListParams, "lots": lotListParams, "audit": pageParams,
		"events": eventListParams, "webhooks": webhookListParams, "deliveries": deliveryListParams,
		"products": productListParams, "wallet": walletParams, "history": dailyParams, "statement": statementParams,
		"session": sessionParams, "portal": portalListParams, "portal's entries": portalEntryParams, "document": documentParams,
		"portal's history": historyParams, "portal's statement": portalStatementParams, "portal's invoices": portalInvoiceParams,
		"payments": paymentListParams, "invoices": invoiceListParams, "refunds": refundListParams, "disputes": disputeListParams,
		"liability": liabilityParams, "trial balance": trialBalanceParams, "journal": journalParams, "ageing": ageingParams,
	} {
		if len(names) > queryMax {
			t.Errorf("%s have %d query parameters, more than %d", name, len(names), queryMax)
		}
	}
	for name, names := range map[string][]string{
		"entry": entryFields, "customer": customerFields, "business": businessFields, "key": keyFields, "freeze": freezeFields,
		"alerts": alertsFields, "threshold": thresholdFields,
		"webhook": webhookFields, "payment": paymentFields, "refund": refundFields,
		"product": productFields, "price": oneTimeFields, "recurring price": recurFields,
		"top-up": topUpFields, "automatic top-up": autoTopUpFields,
	} {
		if len(names) > fieldsMax {
			t.Errorf("%s has %d fields, more than %d", name, len(names), fieldsMax)
		}
	}
}
