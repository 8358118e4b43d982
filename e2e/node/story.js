// The whole story with the npm client "dodopayments", unmodified, against a real server:
// what a shop does with a customer, from the first product to what its webhook is told.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import DodoPayments from 'dodopayments';
import { until } from './until.js';

const client = new DodoPayments({ bearerToken: process.env.DODO_PAYMENTS_API_KEY });

// told is what the webhook has got, each believed by the client itself.
async function receiver() {
  const told = [];
  let key;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) {
      body += part;
    }
    try {
      told.push(client.webhooks.unwrap(body, { headers: request.headers, key }));
      response.end();
    } catch (error) {
      told.push(error);
      response.writeHead(400).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { id } = await client.webhooks.create({ url: `http://127.0.0.1:${server.address().port}/` });
  key = (await client.webhooks.retrieveSecret(id)).secret;
  return { told, close: () => server.close() };
}

// renew has the clock of the customer go to the next billing date.
async function renew(clock, subscription) {
  await client.post(`/test-clocks/${clock}/advance`, { body: { frozen_time: subscription.next_billing_date } });
}

async function balanceOf(customer) {
  return (await client.customers.wallets.list(customer)).items.find(w => w.currency === 'USD').balance;
}

test('a shop and its customer', async t => {
  const { told, close } = await receiver();
  t.after(close);
  const product = await client.products.create({
    name: 'Plan', tax_category: 'saas',
    price: {
      type: 'recurring_price', currency: 'USD', price: 2500, discount: 0, purchasing_power_parity: false,
      payment_frequency_count: 1, payment_frequency_interval: 'Month',
      subscription_period_count: 1, subscription_period_interval: 'Year',
    },
  });
  const { test_clock_id } = await client.post('/test-clocks', { body: { frozen_time: new Date().toISOString() } });
  const { customer_id: id } = await client.customers.create({
    email: 'jane@example.com', name: 'Jane Doe', test_clock: test_clock_id,
  });

  // The customer tops up 10.00 by card.
  await client.post(`/customers/${id}/wallets/top-ups`, {
    body: { amount: 1000, currency: 'USD', payment_method_id: 'pm_sandbox_ok' }, headers: { 'Idempotency-Key': 'top-up-1' },
  });
  assert.equal(await balanceOf(id), 1000);

  // They subscribe: the wallet pays first, the card the rest.
  const { subscription_id } = await client.subscriptions.create({
    product_id: product.product_id, quantity: 1, customer: { customer_id: id }, billing: { country: 'US' },
    payment_method_id: 'pm_sandbox_ok',
  });
  const subscription = await until('the first payment', async () => {
    const got = await client.subscriptions.retrieve(subscription_id);
    return got.status === 'active' && got;
  });
  assert.equal(await balanceOf(id), 0);
  const paid = async () => (await client.payments.list({ subscription_id, status: 'succeeded', page_number: 0 })).items;
  const [first] = await paid();
  assert.deepEqual([first.total_amount, first.wallet_amount, first.card_last_four], [2500, 1000, '4242']);

  // A month later it renews.
  await renew(test_clock_id, subscription);
  const [second] = await until('the renewal', async () => {
    const payments = await paid();
    return payments.length === 2 && payments;
  });
  assert.deepEqual([second.total_amount, second.wallet_amount], [2500, 0]);

  // A part of it goes back, to the wallet.
  const refund = await client.refunds.create({
    payment_id: second.payment_id, items: [{ item_id: product.product_id, amount: 700 }], destination: 'wallet',
  });
  assert.deepEqual([refund.status, refund.amount, refund.is_partial], ['succeeded', 700, true]);
  assert.equal(await balanceOf(id), 700);

  // The customer looks at all this.
  for (const document of [
    await client.invoices.payments.retrieve(first.payment_id), await client.invoices.payments.retrieveRefund(refund.refund_id),
    await fetch(first.invoice_url),
  ]) {
    assert.equal(document.headers.get('content-type'), 'application/pdf');
    assert.match(await document.text(), /^%PDF-1\./);
  }
  const { link } = await client.customers.customerPortal.create(id);
  const opened = await fetch(link, { redirect: 'manual' });
  const cookie = opened.headers.get('set-cookie').split(';')[0];
  const page = await fetch(new URL(opened.headers.get('location'), link), { headers: { cookie } });
  assert.match(await page.text(), /Jane Doe[\s\S]*\$7\.00/);

  // The webhook was told of it.
  const types = ['payment.succeeded', 'subscription.active', 'subscription.renewed', 'refund.succeeded'];
  await until('the webhook', () => types.every(type => told.some(event => event.type === type)));
  assert.deepEqual(told.filter(event => event instanceof Error), []);
  assert.equal(told.find(event => event.type === 'refund.succeeded').data.refund_id, refund.refund_id);
});
