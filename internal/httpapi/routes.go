package httpapi

import (
	"fmt"
	"net/http"
	"strings"
)

// permission is who may use a route. The zero permission is nobody: a route
// that forgets to say it does not start (law N2).
type permission uint8

const (
	public   permission = iota + 1 // anybody, without a key
	read                           // a read or write key
	write                          // a write key
	owner                          // whoever may open the admin socket
	customer                       // a customer with a session of the portal
	reader                         // an API key, a session of the portal, or whoever has the link
)

// route is one method on one path.
type route struct {
	method  string
	pattern string // such as "/customers/{customer_id}"
	access  permission

	// money says that the route moves money, so that a second try without an
	// idempotency key is dangerous (law K9).
	money bool

	// body says that the route reads a JSON body. bulk says that this may be a
	// long one, or one with a JSON document on each line, and has limits of its
	// own.
	body bool
	bulk bool

	handle func(*Server, *call) error

	label   string // method and pattern, as http.ServeMux writes them
	metrics *routeMetrics
}

// apiRoutes is every route of the API. The published contract has the same, and
// a test compares the two. Of two patterns that a path fits, the first counts.
func apiRoutes() []*route {
	return []*route{
		{method: http.MethodGet, pattern: "/customers", access: read, handle: (*Server).handleCustomerList},
		{method: http.MethodPost, pattern: "/customers", access: write, body: true, handle: (*Server).handleCustomerCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}", access: read, handle: (*Server).handleCustomer},
		{method: http.MethodPatch, pattern: "/customers/{customer_id}", access: write, body: true, handle: (*Server).handleCustomerUpdate},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/freeze", access: write, body: true, handle: (*Server).handleFreeze},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/unfreeze", access: write, body: true, handle: (*Server).handleUnfreeze},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/audit", access: read, handle: (*Server).handleAuditList},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets", access: read, handle: (*Server).handleWalletList},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/ledger-entries", access: read, handle: (*Server).handleEntryList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/ledger-entries", access: write, money: true, body: true, handle: (*Server).handleEntryCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/ledger-entries/{entry_id}", access: read, handle: (*Server).handleEntry},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/ledger-entries/{entry_id}/reverse", access: write, money: true, body: true, handle: (*Server).handleEntryReverse},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/transfers", access: read, handle: (*Server).handleTransferList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/transfers", access: write, money: true, body: true, handle: (*Server).handleTransferCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/transfers/{transfer_id}", access: read, handle: (*Server).handleTransfer},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/holds", access: read, handle: (*Server).handleHoldList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds", access: write, money: true, body: true, handle: (*Server).handleHoldCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}", access: read, handle: (*Server).handleHold},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}/capture", access: write, money: true, body: true, handle: (*Server).handleHoldCapture},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}/release", access: write, money: true, body: true, handle: (*Server).handleHoldRelease},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/top-ups", access: write, money: true, body: true, handle: (*Server).handleTopUpCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}", access: read, handle: (*Server).handleWallet},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/history", access: read, handle: (*Server).handleDailyHistory},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/statement", access: read, handle: (*Server).handleStatement},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/lots", access: read, handle: (*Server).handleLotList},
		{method: http.MethodPatch, pattern: "/customers/{customer_id}/wallets/{currency}/lots/{lot_seq}", access: write, money: true, body: true, handle: (*Server).handleLotMove},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: read, handle: (*Server).handleAlerts},
		{method: http.MethodPut, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: write, body: true, handle: (*Server).handleAlertsSet},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: write, handle: (*Server).handleAlertsDrop},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: read, handle: (*Server).handleAutoTopUp},
		{method: http.MethodPut, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: write, body: true, handle: (*Server).handleAutoTopUpSet},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: write, handle: (*Server).handleAutoTopUpDrop},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/payment-methods", access: read, handle: (*Server).handleMethodList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/payment-methods", access: write, body: true, handle: (*Server).handleMethodCreate},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/payment-methods/setup", access: write, body: true, handle: (*Server).handleSetupCreate},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/payment-methods/{payment_method_id}", access: write, handle: (*Server).handleMethodDelete},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/customer-portal/session", access: write, body: true, handle: (*Server).handlePortalSession},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/customer-portal/session", access: write, handle: (*Server).handlePortalRevoke},
		{method: http.MethodGet, pattern: "/customer-portal/business", access: customer, handle: (*Server).handlePortalBusiness},
		{method: http.MethodGet, pattern: "/customer-portal/profile", access: customer, handle: (*Server).handlePortalProfile},
		{method: http.MethodGet, pattern: "/customer-portal/wallets", access: customer, handle: (*Server).handlePortalWallets},
		{method: http.MethodGet, pattern: "/customer-portal/wallets/ledger-entries", access: customer, handle: (*Server).handlePortalEntries},
		{method: http.MethodGet, pattern: "/customer-portal/payments", access: customer, handle: (*Server).handlePortalPayments},
		{method: http.MethodGet, pattern: "/customer-portal/refunds", access: customer, handle: (*Server).handlePortalRefunds},
		{method: http.MethodGet, pattern: "/customer-portal/subscriptions", access: customer, handle: (*Server).handlePortalSubscriptions},
		{method: http.MethodGet, pattern: "/customer-portal/payment-methods", access: customer, handle: (*Server).handlePortalMethods},
		{method: http.MethodGet, pattern: "/payments", access: read, handle: (*Server).handlePaymentList},
		{method: http.MethodPost, pattern: "/payments", access: write, money: true, body: true, handle: (*Server).handlePaymentCreate},
		{method: http.MethodGet, pattern: "/payments/{payment_id}", access: read, handle: (*Server).handlePayment},
		{method: http.MethodGet, pattern: "/payments/{payment_id}/line-items", access: read, handle: (*Server).handlePaymentLines},
		{method: http.MethodGet, pattern: "/refunds", access: read, handle: (*Server).handleRefundList},
		{method: http.MethodPost, pattern: "/refunds", access: write, money: true, body: true, handle: (*Server).handleRefundCreate},
		{method: http.MethodGet, pattern: "/refunds/{refund_id}", access: read, handle: (*Server).handleRefund},
		{method: http.MethodGet, pattern: "/subscriptions", access: read, handle: (*Server).handleSubscriptionList},
		{method: http.MethodPost, pattern: "/subscriptions", access: write, money: true, body: true, handle: (*Server).handleSubscriptionCreate},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}", access: read, handle: (*Server).handleSubscription},
		{method: http.MethodPatch, pattern: "/subscriptions/{subscription_id}", access: write, body: true, handle: (*Server).handleSubscriptionUpdate},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/charge", access: write, money: true, body: true, handle: (*Server).handleSubscriptionCharge},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/change-plan", access: write, money: true, body: true, handle: (*Server).handlePlanChange},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/change-plan/preview", access: write, body: true, handle: (*Server).handlePlanPreview},
		{method: http.MethodDelete, pattern: "/subscriptions/{subscription_id}/change-plan/scheduled", access: write, handle: (*Server).handlePlanCancel},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/update-payment-method", access: write, body: true, handle: (*Server).handleSubscriptionMethod},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/retry", access: write, body: true, handle: (*Server).handleSubscriptionRetry},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}/usage-history", access: read, handle: (*Server).handleUsageHistory},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}/credit-usage", access: read, handle: (*Server).handleCreditUsage},
		{method: http.MethodGet, pattern: "/invoices", access: read, handle: (*Server).handleInvoiceList},
		{method: http.MethodGet, pattern: "/invoices/{invoice_id}", access: read, handle: (*Server).handleInvoice},
		{method: http.MethodGet, pattern: "/invoices/payments/{payment_id}", access: reader, handle: (*Server).handlePaymentPDF},
		{method: http.MethodGet, pattern: "/invoices/refunds/{refund_id}", access: reader, handle: (*Server).handleRefundPDF},
		{method: http.MethodPost, pattern: "/invoices/{invoice_id}/void", access: write, body: true, handle: (*Server).handleInvoiceVoid},
		{method: http.MethodPost, pattern: "/ledger-entries/bulk", access: write, money: true, body: true, bulk: true, handle: (*Server).handleBulk},
		{method: http.MethodGet, pattern: "/events", access: read, handle: (*Server).handleEventList},
		{method: http.MethodGet, pattern: "/webhooks", access: read, handle: (*Server).handleWebhookList},
		{method: http.MethodPost, pattern: "/webhooks", access: write, body: true, handle: (*Server).handleWebhookCreate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}", access: read, handle: (*Server).handleWebhook},
		{method: http.MethodPatch, pattern: "/webhooks/{webhook_id}", access: write, body: true, handle: (*Server).handleWebhookUpdate},
		{method: http.MethodDelete, pattern: "/webhooks/{webhook_id}", access: write, handle: (*Server).handleWebhookDelete},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/secret", access: write, handle: (*Server).handleWebhookSecret},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/secret/rotate", access: write, body: true, handle: (*Server).handleWebhookRotate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/headers", access: read, handle: (*Server).handleWebhookHeaders},
		{method: http.MethodPatch, pattern: "/webhooks/{webhook_id}/headers", access: write, body: true, handle: (*Server).handleWebhookHeadersUpdate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/deliveries", access: read, handle: (*Server).handleDeliveryList},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/deliveries/{event_id}/resend", access: write, body: true, handle: (*Server).handleDeliveryResend},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/replay", access: write, body: true, handle: (*Server).handleWebhookReplay},
		{method: http.MethodGet, pattern: "/products", access: read, handle: (*Server).handleProductList},
		{method: http.MethodPost, pattern: "/products", access: write, body: true, handle: (*Server).handleProductCreate},
		{method: http.MethodGet, pattern: "/products/{id}", access: read, handle: (*Server).handleProduct},
		{method: http.MethodPatch, pattern: "/products/{id}", access: write, body: true, handle: (*Server).handleProductUpdate},
		{method: http.MethodDelete, pattern: "/products/{id}", access: write, handle: (*Server).handleProductArchive},
		{method: http.MethodPost, pattern: "/products/{id}/unarchive", access: write, body: true, handle: (*Server).handleProductUnarchive},
		{method: http.MethodGet, pattern: "/test-clocks", access: read, handle: (*Server).handleClockList},
		{method: http.MethodPost, pattern: "/test-clocks", access: write, body: true, handle: (*Server).handleClockCreate},
		{method: http.MethodGet, pattern: "/test-clocks/{test_clock_id}", access: read, handle: (*Server).handleClock},
		{method: http.MethodDelete, pattern: "/test-clocks/{test_clock_id}", access: write, handle: (*Server).handleClockDelete},
		{method: http.MethodPost, pattern: "/test-clocks/{test_clock_id}/advance", access: write, body: true, handle: (*Server).handleClockAdvance},
		{method: http.MethodGet, pattern: "/business", access: read, handle: (*Server).handleBusiness},
		{method: http.MethodPatch, pattern: "/business", access: write, body: true, handle: (*Server).handleBusinessUpdate},
		{method: http.MethodGet, pattern: "/business/audit", access: read, handle: (*Server).handleBusinessAudit},

		{method: http.MethodGet, pattern: "/healthz", access: public, handle: (*Server).handleHealth},
		{method: http.MethodGet, pattern: "/readyz", access: public, handle: (*Server).handleReadiness},
		{method: http.MethodGet, pattern: "/metrics", access: public, handle: (*Server).handleMetrics},
		{method: http.MethodGet, pattern: "/openapi.yaml", access: public, handle: (*Server).handleOpenAPIYAML},
		{method: http.MethodGet, pattern: "/openapi.json", access: public, handle: (*Server).handleOpenAPIJSON},
	}
}

// pageRoutes are what people open in a browser. They are no part of the contract.
func pageRoutes() []*route {
	return []*route{
		{method: http.MethodGet, pattern: "/portal", access: public, handle: page((*Server).handlePortal)},
		{method: http.MethodGet, pattern: "/portal/style.css", access: public, handle: (*Server).handlePortalStyle},
		{method: http.MethodPost, pattern: "/portal/sign-out", access: public, handle: page((*Server).handlePortalSignOut)},
		{method: http.MethodGet, pattern: "/portal/{token}", access: public, handle: page((*Server).handlePortalLink)},
	}
}

// adminRoutes is every route of the admin socket.
func adminRoutes() []*route {
	return []*route{
		{method: http.MethodGet, pattern: "/admin/status", access: owner, handle: (*Server).handleStatus},
		{method: http.MethodGet, pattern: "/admin/businesses", access: owner, handle: (*Server).handleBusinessList},
		{method: http.MethodPost, pattern: "/admin/businesses", access: owner, body: true, handle: (*Server).handleBusinessCreate},
		{method: http.MethodGet, pattern: "/admin/keys", access: owner, handle: (*Server).handleKeyList},
		{method: http.MethodPost, pattern: "/admin/keys", access: owner, body: true, handle: (*Server).handleKeyCreate},
		{method: http.MethodPost, pattern: "/admin/keys/{key_id}/revoke", access: owner, handle: (*Server).handleKeyRevoke},
	}
}

// Route is one route of the API, as it is listed for documents and tests.
type Route struct {
	Method  string
	Pattern string
	Public  bool // needs no key
	Write   bool // needs a write key

	Customer bool // needs a session of the portal, and takes no key
	Reader   bool // takes a session of the portal or a link as well as a key
}

// Routes lists every route of the API.
func Routes() []Route {
	var list []Route
	for _, r := range apiRoutes() {
		list = append(list, Route{
			Method: r.method, Pattern: r.pattern, Public: r.access == public, Write: r.access == write,
			Customer: r.access == customer, Reader: r.access == reader,
		})
	}
	return list
}

// paramsMax is how many parameters a pattern may have.
const paramsMax = 3

// resource is one path with its methods.
type resource struct {
	segments []string // "" stands for a parameter
	routes   []*route
	allow    string // the value of the Allow header
}

// router finds the resource of a path. It neither cleans paths nor redirects:
// a path is exactly one of the table or it is not there.
type router struct {
	byLength map[int][]*resource // by number of segments
}

func newRouter(routes []*route) (*router, error) {
	router := &router{byLength: make(map[int][]*resource)}
	resources := make(map[string]*resource)
	for _, r := range routes {
		if r.access == 0 {
			return nil, fmt.Errorf("route %s %s says nobody who may use it", r.method, r.pattern)
		}
		r.label = r.method + " " + r.pattern
		found, ok := resources[r.pattern]
		if !ok {
			found = &resource{segments: splitPattern(r.pattern)}
			resources[r.pattern] = found
			router.byLength[len(found.segments)] = append(router.byLength[len(found.segments)], found)
		}
		if found.route(r.method) != nil {
			return nil, fmt.Errorf("route %s is there twice", r.label)
		}
		found.routes = append(found.routes, r)
	}
	for _, found := range resources {
		found.allow = allowHeader(found.routes)
	}
	return router, nil
}

func splitPattern(pattern string) []string {
	segments := strings.Split(pattern[1:], "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = ""
		}
	}
	return segments
}

func allowHeader(routes []*route) string {
	var methods []string
	order := []string{
		http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost,
		http.MethodPut,
	}
	for _, method := range order {
		for _, r := range routes {
			if r.method == method || (method == http.MethodHead && r.method == http.MethodGet) {
				methods = append(methods, method)
				break
			}
		}
		if method == http.MethodOptions {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// route returns the route of a method, nil when there is none.
func (r *resource) route(method string) *route {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, route := range r.routes {
		if route.method == method {
			return route
		}
	}
	return nil
}

// segmentsMax is how many parts a path of the table has at most.
const segmentsMax = 6

// find returns the resource of a path as it stands in the request line, and
// the values of its parameters. A percent sign is nowhere in a known path, as
// ids have no character that needs it.
func (r *router) find(path string, params *[paramsMax]string) *resource {
	if path == "" || path[0] != '/' || strings.IndexByte(path, '%') >= 0 {
		return nil
	}
	var segments [segmentsMax]string
	count := 0
	for rest, more := path[1:], true; more; count++ {
		if count == segmentsMax {
			return nil
		}
		segments[count], rest, more = strings.Cut(rest, "/")
	}
	for _, candidate := range r.byLength[count] {
		if candidate.match(segments[:count], params) {
			return candidate
		}
	}
	return nil
}

func (r *resource) match(segments []string, params *[paramsMax]string) bool {
	param := 0
	for i, want := range r.segments {
		if want != "" {
			if want != segments[i] {
				return false
			}
			continue
		}
		if segments[i] == "" {
			return false
		}
		params[param] = segments[i]
		param++
	}
	return true
}
