package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/billfold/billfold/internal/people"
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
	visitor                        // anybody in the dashboard, who need not be signed in
	person                         // a user who is signed in
)

// route is one method on one path.
type route struct {
	method  string
	pattern string // such as "/customers/{customer_id}"
	access  permission

	// area is what a user's role must be able to change, of a write route, and of one that
	// is for persons where it changes something.
	area people.Area

	// money says that the route moves money, so that a second try without an
	// idempotency key is dangerous (law K9).
	money bool

	// body says that the route reads a JSON body. bulk says that this may be a
	// long one, or one with a JSON document on each line, and has limits of its
	// own.
	body bool
	bulk bool

	// notice says that the body is signed by a card processor: it is read for whoever sends
	// it, in memory of its own.
	notice bool

	handle func(*Server, *call) error

	label   string // method and pattern, as http.ServeMux writes them
	metrics *routeMetrics
}

// apiRoutes is every route of the API. The published contract has the same, and
// a test compares the two. Of two patterns that a path fits, the first counts.
func apiRoutes() []*route {
	return []*route{
		{method: http.MethodGet, pattern: "/customers", access: read, handle: (*Server).handleCustomerList},
		{method: http.MethodPost, pattern: "/customers", access: write, area: people.Customers, body: true, handle: (*Server).handleCustomerCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}", access: read, handle: (*Server).handleCustomer},
		{method: http.MethodPatch, pattern: "/customers/{customer_id}", access: write, area: people.Customers, body: true, handle: (*Server).handleCustomerUpdate},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/freeze", access: write, area: people.Customers, body: true, handle: (*Server).handleFreeze},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/unfreeze", access: write, area: people.Customers, body: true, handle: (*Server).handleUnfreeze},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/audit", access: read, handle: (*Server).handleAuditList},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets", access: read, handle: (*Server).handleWalletList},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/ledger-entries", access: read, handle: (*Server).handleEntryList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/ledger-entries", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleEntryCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/ledger-entries/{entry_id}", access: read, handle: (*Server).handleEntry},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/ledger-entries/{entry_id}/reverse", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleEntryReverse},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/transfers", access: read, handle: (*Server).handleTransferList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/transfers", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleTransferCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/transfers/{transfer_id}", access: read, handle: (*Server).handleTransfer},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/holds", access: read, handle: (*Server).handleHoldList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleHoldCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}", access: read, handle: (*Server).handleHold},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}/capture", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleHoldCapture},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/holds/{hold_id}/release", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleHoldRelease},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/wallets/top-ups", access: write, area: people.Billing, money: true, body: true, handle: (*Server).handleTopUpCreate},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}", access: read, handle: (*Server).handleWallet},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/history", access: read, handle: (*Server).handleDailyHistory},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/statement", access: read, handle: (*Server).handleStatement},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/lots", access: read, handle: (*Server).handleLotList},
		{method: http.MethodPatch, pattern: "/customers/{customer_id}/wallets/{currency}/lots/{lot_seq}", access: write, area: people.Money, money: true, body: true, handle: (*Server).handleLotMove},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: read, handle: (*Server).handleAlerts},
		{method: http.MethodPut, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: write, area: people.Customers, body: true, handle: (*Server).handleAlertsSet},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/wallets/{currency}/alerts", access: write, area: people.Customers, handle: (*Server).handleAlertsDrop},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: read, handle: (*Server).handleAutoTopUp},
		{method: http.MethodPut, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: write, area: people.Billing, body: true, handle: (*Server).handleAutoTopUpSet},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/wallets/{currency}/auto-top-up", access: write, area: people.Billing, handle: (*Server).handleAutoTopUpDrop},
		{method: http.MethodGet, pattern: "/customers/{customer_id}/payment-methods", access: read, handle: (*Server).handleMethodList},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/payment-methods", access: write, area: people.Customers, body: true, handle: (*Server).handleMethodCreate},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/payment-methods/setup", access: write, area: people.Customers, body: true, handle: (*Server).handleSetupCreate},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/payment-methods/{payment_method_id}", access: write, area: people.Customers, handle: (*Server).handleMethodDelete},
		{method: http.MethodPost, pattern: "/customers/{customer_id}/customer-portal/session", access: write, area: people.Customers, body: true, handle: (*Server).handlePortalSession},
		{method: http.MethodDelete, pattern: "/customers/{customer_id}/customer-portal/session", access: write, area: people.Customers, handle: (*Server).handlePortalRevoke},
		{method: http.MethodGet, pattern: "/customer-portal/business", access: customer, handle: (*Server).handlePortalBusiness},
		{method: http.MethodGet, pattern: "/customer-portal/profile", access: customer, handle: (*Server).handlePortalProfile},
		{method: http.MethodGet, pattern: "/customer-portal/wallets", access: customer, handle: (*Server).handlePortalWallets},
		{method: http.MethodGet, pattern: "/customer-portal/wallets/ledger-entries", access: customer, handle: (*Server).handlePortalEntries},
		{method: http.MethodGet, pattern: "/customer-portal/payments", access: customer, handle: (*Server).handlePortalPayments},
		{method: http.MethodGet, pattern: "/customer-portal/refunds", access: customer, handle: (*Server).handlePortalRefunds},
		{method: http.MethodGet, pattern: "/customer-portal/subscriptions", access: customer, handle: (*Server).handlePortalSubscriptions},
		{method: http.MethodGet, pattern: "/customer-portal/payment-methods", access: customer, handle: (*Server).handlePortalMethods},
		{method: http.MethodGet, pattern: "/payments", access: read, handle: (*Server).handlePaymentList},
		{method: http.MethodPost, pattern: "/payments", access: write, area: people.Billing, money: true, body: true, handle: (*Server).handlePaymentCreate},
		{method: http.MethodGet, pattern: "/payments/{payment_id}", access: read, handle: (*Server).handlePayment},
		{method: http.MethodGet, pattern: "/payments/{payment_id}/line-items", access: read, handle: (*Server).handlePaymentLines},
		{method: http.MethodGet, pattern: "/refunds", access: read, handle: (*Server).handleRefundList},
		{method: http.MethodPost, pattern: "/refunds", access: write, area: people.Refunds, money: true, body: true, handle: (*Server).handleRefundCreate},
		{method: http.MethodGet, pattern: "/refunds/{refund_id}", access: read, handle: (*Server).handleRefund},
		{method: http.MethodGet, pattern: "/disputes", access: read, handle: (*Server).handleDisputeList},
		{method: http.MethodGet, pattern: "/disputes/{dispute_id}", access: read, handle: (*Server).handleDispute},
		{method: http.MethodGet, pattern: "/subscriptions", access: read, handle: (*Server).handleSubscriptionList},
		{method: http.MethodPost, pattern: "/subscriptions", access: write, area: people.Billing, money: true, body: true, handle: (*Server).handleSubscriptionCreate},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}", access: read, handle: (*Server).handleSubscription},
		{method: http.MethodPatch, pattern: "/subscriptions/{subscription_id}", access: write, area: people.Billing, body: true, handle: (*Server).handleSubscriptionUpdate},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/charge", access: write, area: people.Billing, money: true, body: true, handle: (*Server).handleSubscriptionCharge},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/change-plan", access: write, area: people.Billing, money: true, body: true, handle: (*Server).handlePlanChange},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/change-plan/preview", access: write, area: people.Billing, body: true, handle: (*Server).handlePlanPreview},
		{method: http.MethodDelete, pattern: "/subscriptions/{subscription_id}/change-plan/scheduled", access: write, area: people.Billing, handle: (*Server).handlePlanCancel},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/update-payment-method", access: write, area: people.Billing, body: true, handle: (*Server).handleSubscriptionMethod},
		{method: http.MethodPost, pattern: "/subscriptions/{subscription_id}/retry", access: write, area: people.Billing, body: true, handle: (*Server).handleSubscriptionRetry},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}/usage-history", access: read, handle: (*Server).handleUsageHistory},
		{method: http.MethodGet, pattern: "/subscriptions/{subscription_id}/credit-usage", access: read, handle: (*Server).handleCreditUsage},
		{method: http.MethodGet, pattern: "/invoices", access: read, handle: (*Server).handleInvoiceList},
		{method: http.MethodGet, pattern: "/invoices/{invoice_id}", access: read, handle: (*Server).handleInvoice},
		{method: http.MethodGet, pattern: "/invoices/payments/{payment_id}", access: reader, handle: (*Server).handlePaymentPDF},
		{method: http.MethodGet, pattern: "/invoices/refunds/{refund_id}", access: reader, handle: (*Server).handleRefundPDF},
		{method: http.MethodPost, pattern: "/invoices/{invoice_id}/void", access: write, area: people.Refunds, body: true, handle: (*Server).handleInvoiceVoid},
		{method: http.MethodPost, pattern: "/ledger-entries/bulk", access: write, area: people.Money, money: true, body: true, bulk: true, handle: (*Server).handleBulk},
		{method: http.MethodGet, pattern: "/reports/liability", access: read, handle: (*Server).handleLiability},
		{method: http.MethodGet, pattern: "/reports/trial-balance", access: read, handle: (*Server).handleTrialBalance},
		{method: http.MethodGet, pattern: "/reports/journal", access: read, handle: (*Server).handleJournal},
		{method: http.MethodGet, pattern: "/reports/ageing", access: read, handle: (*Server).handleAgeing},
		{method: http.MethodGet, pattern: "/reports/breakage", access: read, handle: (*Server).handleBreakage},
		{method: http.MethodGet, pattern: "/reports/balances", access: read, handle: (*Server).handleBalances},
		{method: http.MethodGet, pattern: "/reports/cohorts", access: read, handle: (*Server).handleCohorts},
		{method: http.MethodGet, pattern: "/events", access: read, handle: (*Server).handleEventList},
		{method: http.MethodGet, pattern: "/webhooks", access: read, handle: (*Server).handleWebhookList},
		{method: http.MethodPost, pattern: "/webhooks", access: write, area: people.Webhooks, body: true, handle: (*Server).handleWebhookCreate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}", access: read, handle: (*Server).handleWebhook},
		{method: http.MethodPatch, pattern: "/webhooks/{webhook_id}", access: write, area: people.Webhooks, body: true, handle: (*Server).handleWebhookUpdate},
		{method: http.MethodDelete, pattern: "/webhooks/{webhook_id}", access: write, area: people.Webhooks, handle: (*Server).handleWebhookDelete},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/secret", access: write, area: people.Webhooks, handle: (*Server).handleWebhookSecret},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/secret/rotate", access: write, area: people.Webhooks, body: true, handle: (*Server).handleWebhookRotate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/headers", access: read, handle: (*Server).handleWebhookHeaders},
		{method: http.MethodPatch, pattern: "/webhooks/{webhook_id}/headers", access: write, area: people.Webhooks, body: true, handle: (*Server).handleWebhookHeadersUpdate},
		{method: http.MethodGet, pattern: "/webhooks/{webhook_id}/deliveries", access: read, handle: (*Server).handleDeliveryList},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/deliveries/{event_id}/resend", access: write, area: people.Webhooks, body: true, handle: (*Server).handleDeliveryResend},
		{method: http.MethodPost, pattern: "/webhooks/{webhook_id}/replay", access: write, area: people.Webhooks, body: true, handle: (*Server).handleWebhookReplay},
		{method: http.MethodGet, pattern: "/products", access: read, handle: (*Server).handleProductList},
		{method: http.MethodPost, pattern: "/products", access: write, area: people.Products, body: true, handle: (*Server).handleProductCreate},
		{method: http.MethodGet, pattern: "/products/{id}", access: read, handle: (*Server).handleProduct},
		{method: http.MethodPatch, pattern: "/products/{id}", access: write, area: people.Products, body: true, handle: (*Server).handleProductUpdate},
		{method: http.MethodDelete, pattern: "/products/{id}", access: write, area: people.Products, handle: (*Server).handleProductArchive},
		{method: http.MethodPost, pattern: "/products/{id}/unarchive", access: write, area: people.Products, body: true, handle: (*Server).handleProductUnarchive},
		{method: http.MethodGet, pattern: "/test-clocks", access: read, handle: (*Server).handleClockList},
		{method: http.MethodPost, pattern: "/test-clocks", access: write, area: people.Settings, body: true, handle: (*Server).handleClockCreate},
		{method: http.MethodGet, pattern: "/test-clocks/{test_clock_id}", access: read, handle: (*Server).handleClock},
		{method: http.MethodDelete, pattern: "/test-clocks/{test_clock_id}", access: write, area: people.Settings, handle: (*Server).handleClockDelete},
		{method: http.MethodPost, pattern: "/test-clocks/{test_clock_id}/advance", access: write, area: people.Settings, body: true, handle: (*Server).handleClockAdvance},
		{method: http.MethodGet, pattern: "/business", access: read, handle: (*Server).handleBusiness},
		{method: http.MethodPatch, pattern: "/business", access: write, area: people.Settings, body: true, handle: (*Server).handleBusinessUpdate},
		{method: http.MethodGet, pattern: "/business/processor", access: read, handle: (*Server).handleProcessor},
		{method: http.MethodPut, pattern: "/business/processor", access: write, area: people.Settings, body: true, handle: (*Server).handleProcessorSet},
		{method: http.MethodDelete, pattern: "/business/processor", access: write, area: people.Settings, handle: (*Server).handleProcessorDrop},
		{method: http.MethodGet, pattern: "/business/processor/notifications", access: read, handle: (*Server).handleQuarantine},
		{method: http.MethodGet, pattern: "/business/audit", access: read, handle: (*Server).handleBusinessAudit},

		{method: http.MethodPost, pattern: "/processors/stripe/{business_id}/{mode}/notifications", access: public, body: true, notice: true, handle: (*Server).handleStripeNotice},
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
		{method: http.MethodGet, pattern: "/portal", access: public, handle: inPortal((*Server).handlePortal)},
		{method: http.MethodGet, pattern: "/portal/history", access: public, handle: inPortal((*Server).handlePortalHistory)},
		{method: http.MethodGet, pattern: "/portal/statement", access: public, handle: inPortal((*Server).handlePortalStatement)},
		{method: http.MethodGet, pattern: "/portal/invoices", access: public, handle: inPortal((*Server).handlePortalInvoices)},
		{method: http.MethodGet, pattern: "/portal/top-up", access: public, handle: inPortal((*Server).handlePortalTopUp)},
		{method: http.MethodPost, pattern: "/portal/top-up", access: public, handle: inForm(topUpAction, (*Server).topUpInPortal, (*Server).topUpAgain)},
		{method: http.MethodPost, pattern: "/portal/auto-top-up", access: public, handle: inForm(autoAction, (*Server).switchAuto, (*Server).topUpAgain)},
		{method: http.MethodGet, pattern: "/portal/cards", access: public, handle: inPortal((*Server).handlePortalCards)},
		{method: http.MethodPost, pattern: "/portal/cards", access: public, handle: inForm(addAction, (*Server).addCard, (*Server).showCards)},
		{method: http.MethodPost, pattern: "/portal/cards/remove", access: public, handle: inForm(removeAction, (*Server).removeCard, (*Server).showCards)},
		{method: http.MethodGet, pattern: "/portal/subscriptions", access: public, handle: inPortal((*Server).handlePortalPlans)},
		{method: http.MethodPost, pattern: "/portal/subscriptions", access: public, handle: inForm(planAction, (*Server).changePlan, (*Server).plansAgain)},
		{method: http.MethodPost, pattern: "/portal/sign-out", access: public, handle: page((*Server).handlePortalSignOut)},
		{method: http.MethodGet, pattern: "/portal/assets/{name}", access: public, handle: (*Server).handlePortalStyle},
		{method: http.MethodGet, pattern: "/portal/{token}", access: public, handle: page((*Server).handlePortalLink)},
	}
}

// dashboardPrefix begins the routes of the dashboard's own.
const dashboardPrefix = "/dashboard/api"

// dashboardRoutes are for persons, who sign in: themselves and their team.
func dashboardRoutes() []*route {
	const at = dashboardPrefix
	return []*route{
		{method: http.MethodGet, pattern: at + "/session", access: person, handle: (*Server).handleSession},
		{method: http.MethodPost, pattern: at + "/session", access: visitor, body: true, handle: (*Server).handleSignIn},
		{method: http.MethodDelete, pattern: at + "/session", access: visitor, handle: (*Server).handleSignOut},
		{method: http.MethodPost, pattern: at + "/invitation", access: visitor, body: true, handle: (*Server).handleInvitation},
		{method: http.MethodPost, pattern: at + "/join", access: visitor, body: true, handle: (*Server).handleJoin},
		{method: http.MethodGet, pattern: at + "/team", access: person, handle: (*Server).handleTeam},
		{method: http.MethodPatch, pattern: at + "/team/{user_id}", access: person, area: people.Team, body: true, handle: (*Server).handleRole},
		{method: http.MethodDelete, pattern: at + "/team/{user_id}", access: person, area: people.Own, handle: (*Server).handleLeave},
		{method: http.MethodGet, pattern: at + "/invitations", access: person, handle: (*Server).handleInvitationList},
		{method: http.MethodPost, pattern: at + "/invitations", access: person, area: people.Team, body: true, handle: (*Server).handleInvite},
		{method: http.MethodDelete, pattern: at + "/invitations/{invitation_id}", access: person, area: people.Team, handle: (*Server).handleWithdraw},
		{method: http.MethodPost, pattern: at + "/user/password", access: person, area: people.Own, body: true, handle: (*Server).handlePassword},
		{method: http.MethodPost, pattern: at + "/user/second-factor", access: person, area: people.Own, body: true, handle: (*Server).handleSecondBegin},
		{method: http.MethodPost, pattern: at + "/user/second-factor/confirm", access: person, area: people.Own, body: true, handle: (*Server).handleSecondConfirm},
		{method: http.MethodPost, pattern: at + "/user/second-factor/remove", access: person, area: people.Own, body: true, handle: (*Server).handleSecondRemove},
		{method: http.MethodGet, pattern: at + "/sessions", access: person, handle: (*Server).handleSessionList},
		{method: http.MethodDelete, pattern: at + "/sessions", access: person, area: people.Own, handle: (*Server).handleSessionsEnd},
		{method: http.MethodDelete, pattern: at + "/sessions/{session_id}", access: person, area: people.Own, handle: (*Server).handleSessionEnd},
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
		{method: http.MethodPost, pattern: "/admin/team/link", access: owner, body: true, handle: (*Server).handleTeamLink},
		{method: http.MethodPost, pattern: "/admin/team/reset", access: owner, body: true, handle: (*Server).handleTeamReset},
	}
}

// Route is one route of the API, as it is listed for documents and tests.
type Route struct {
	Method  string
	Pattern string
	Public  bool // needs no key
	Write   bool // needs a write key

	// Area is what the role of a user must be able to change, empty where it is only looked
	// at. Person says that the route is for users alone, Visitor for whoever becomes one.
	Area            people.Area
	Person, Visitor bool

	Customer bool // needs a session of the portal, and takes no key
	Reader   bool // takes a session of the portal or a link as well as a key
}

// Routes lists every route of the API.
func Routes() []Route { return listed(apiRoutes()) }

// DashboardRoutes lists every route of the dashboard's own.
func DashboardRoutes() []Route { return listed(dashboardRoutes()) }

func listed(routes []*route) (list []Route) {
	for _, r := range routes {
		list = append(list, Route{
			Method: r.method, Pattern: r.pattern, Public: r.access == public, Write: r.access == write,
			Customer: r.access == customer, Reader: r.access == reader,
			Area: r.area, Person: r.access == person, Visitor: r.access == visitor,
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
		if r.area == "" && (r.access == write || r.access == person && r.method != http.MethodGet) {
			return nil, fmt.Errorf("route %s %s says no area, and changes something", r.method, r.pattern)
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
