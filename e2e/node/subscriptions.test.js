// Subscriptions by the npm client "dodopayments", unmodified, against a real server: every
// method of the resource.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import DodoPayments from 'dodopayments';

const client = new DodoPayments({ bearerToken: process.env.DODO_PAYMENTS_API_KEY });
const billing = { country: 'US' };

function plan(name, price) {
  return client.products.create({
    name,
    tax_category: 'saas',
    price: {
      type: 'recurring_price', currency: 'USD', price, discount: 0, purchasing_power_parity: false,
      payment_frequency_count: 1, payment_frequency_interval: 'Month',
      subscription_period_count: 1, subscription_period_interval: 'Year',
    },
  });
}

async function funded(amount) {
  const customer = await client.customers.create({ email: 'sub@example.com', name: 'Sub' });
  await client.customers.wallets.ledgerEntries.create(customer.customer_id, {
    amount, currency: 'USD', entry_type: 'credit', idempotency_key: `fund_${customer.customer_id}`,
  });
  return customer.customer_id;
}

async function refused(promise, status, code) {
  const error = await promise.then(() => assert.fail('got no error, want one'), error => error);
  assert.deepEqual([error.status, error.error.code], [status, code]);
}

test('subscribe, read, list, change and cancel', async () => {
  const [basic, pro] = [await plan('Basic', 1000), await plan('Pro', 3000)];
  const customer_id = await funded(1500);
  const made = await client.subscriptions.create({
    product_id: basic.product_id, quantity: 1, customer: { customer_id }, billing, payment_method_id: 'pm_sandbox_ok',
    metadata: { seat: 7 },
  });
  assert.equal(made.payment_method_required, false);
  assert.equal(made.recurring_pre_tax_amount, 1000);
  const read = await client.subscriptions.retrieve(made.subscription_id);
  assert.deepEqual([read.status, read.product_id, read.metadata, read.has_payment_method], ['active', basic.product_id, { seat: 7 }, true]);
  const listed = [];
  for await (const item of client.subscriptions.list({ customer_id, status: 'active' })) listed.push(item.subscription_id);
  assert.deepEqual(listed, [made.subscription_id]);
  const payments = await client.payments.list({ subscription_id: made.subscription_id });
  assert.deepEqual(payments.items.map(p => [p.payment_id, p.subscription_id, p.status]), [[made.payment_id, made.subscription_id, 'succeeded']]);

  const change = { product_id: pro.product_id, quantity: 1, proration_billing_mode: 'difference_immediately' };
  const preview = await client.subscriptions.previewChangePlan(made.subscription_id, change);
  const { summary, line_items } = preview.immediate_charge;
  assert.deepEqual([summary.customer_credits, summary.settlement_amount, summary.total_amount], [-500, 1500, 2000]);
  assert.equal(line_items.reduce((sum, l) => sum + l.unit_price * l.quantity * l.proration_factor, 0), 2000);
  assert.equal(preview.new_plan.product_id, pro.product_id);
  const changed = await client.subscriptions.changePlan(made.subscription_id, change);
  assert.deepEqual(changed, { payment_id: null, payment_link: null, client_secret: null, expires_on: null });
  const charged = (await client.payments.list({ subscription_id: made.subscription_id })).items[0];
  assert.deepEqual([charged.total_amount, charged.status], [2000, 'succeeded']);
  assert.equal((await client.subscriptions.retrieve(made.subscription_id)).product_id, pro.product_id);

  await client.subscriptions.changePlan(made.subscription_id, {
    product_id: basic.product_id, quantity: 1, proration_billing_mode: 'do_not_bill', effective_at: 'next_billing_date',
  });
  assert.equal((await client.subscriptions.retrieve(made.subscription_id)).scheduled_change.product_id, basic.product_id);
  await client.subscriptions.cancelChangePlan(made.subscription_id);
  await refused(client.subscriptions.cancelChangePlan(made.subscription_id), 404, 'SCHEDULED_PLAN_CHANGE_NOT_FOUND');

  const method = await client.subscriptions.updatePaymentMethod(made.subscription_id, {
    payment_method: { type: 'existing', payment_method_id: 'pm_sandbox_declined' },
  });
  assert.equal(method.payment_id, null);
  const { payment_link } = await client.subscriptions.updatePaymentMethod(made.subscription_id, {
    payment_method: { type: 'new', return_url: 'https://shop.example.com/account' },
  });
  const page = await (await fetch(payment_link)).text();
  assert.match(page, /Pay your subscription by another card/);
  assert.equal((await client.subscriptions.update(made.subscription_id, { pause: true })).status, 'paused');
  assert.equal((await client.subscriptions.update(made.subscription_id, { status: 'active' })).status, 'active');
  const ends = await client.subscriptions.update(made.subscription_id, {
    cancel_at_next_billing_date: true, cancellation_feedback: 'unused', tax_id: 'DE1',
  });
  assert.deepEqual([ends.cancel_at_next_billing_date, ends.cancellation_feedback, ends.tax_id], [true, 'unused', 'DE1']);
  assert.equal((await client.subscriptions.update(made.subscription_id, { status: 'cancelled' })).status, 'cancelled');
});

test('charge on demand, and what is not counted', async () => {
  const basic = await plan('Credits', 1000);
  const customer_id = await funded(980);
  const made = await client.subscriptions.create({
    product_id: basic.product_id, quantity: 1, customer: { customer_id }, billing, on_demand: { mandate_only: true },
    payment_method_id: 'pm_sandbox_ok',
  });
  const { payment_id } = await client.subscriptions.charge(made.subscription_id, {
    product_price: 1000, customer_balance_config: { allow_customer_credits_purchase: true },
  });
  const paid = await client.payments.retrieve(payment_id);
  assert.deepEqual([paid.status, paid.subscription_id], ['succeeded', made.subscription_id]);
  const wallets = await client.customers.wallets.list(customer_id);
  assert.equal(wallets.items.find(w => w.currency === 'USD').balance, 30);
  const usage = await client.subscriptions.retrieveUsageHistory(made.subscription_id);
  assert.deepEqual(usage.items, []);
  const credits = await client.subscriptions.retrieveCreditUsage(made.subscription_id);
  assert.deepEqual(credits.items, []);
  await refused(client.subscriptions.changePlan(made.subscription_id, {
    product_id: basic.product_id, quantity: 1, proration_billing_mode: 'do_not_bill',
  }), 422, 'ON_DEMAND_PLAN_CHANGE_NOT_SUPPORTED');
});
