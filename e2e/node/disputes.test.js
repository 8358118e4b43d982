// What becomes of money that was topped up by card, with the npm client "dodopayments",
// unmodified, against a real server: it goes back to the card, or a bank asks for it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import DodoPayments from 'dodopayments';
import { until } from './until.js';

const client = new DodoPayments({ bearerToken: process.env.DODO_PAYMENTS_API_KEY });
const began = new Date();

// toppedUp makes a customer with a clock of their own, who tops 10.00 up by a method of the
// sandbox.
async function toppedUp(payment_method_id) {
  const { test_clock_id: clock } = await client.post('/test-clocks', { body: { frozen_time: began.toISOString() } });
  const { customer_id: id } = await client.customers.create({ email: 'jane@example.com', name: 'Jane Doe', test_clock: clock });
  const { payment_id } = await client.post(`/customers/${id}/wallets/top-ups`, {
    body: { amount: 1000, currency: 'USD', payment_method_id }, headers: { 'Idempotency-Key': `top-up-${id}` },
  });
  return { clock, id, payment_id };
}

// advance has the customer's clock go to some hours after it began, and all happen that is
// due by then.
async function advance(clock, hours) {
  const at = new Date(began.getTime() + hours * 3_600_000).toISOString();
  await client.post(`/test-clocks/${clock}/advance`, { body: { frozen_time: at } });
  await until('the clock', async () => (await client.get(`/test-clocks/${clock}`)).status === 'ready');
}

async function walletOf(id) {
  return (await client.customers.wallets.list(id)).items.find(w => w.currency === 'USD');
}

test('a top-up goes back to its card, as far as it is unspent', async () => {
  const { id, payment_id } = await toppedUp('pm_sandbox_ok');
  await client.customers.wallets.ledgerEntries.create(id, {
    amount: 300, currency: 'USD', entry_type: 'debit', reason: 'spent', idempotency_key: 'spent',
  });
  const { refund_id, status } = await client.refunds.create({ payment_id });
  assert.equal(status, 'pending');
  const refund = await until('the refund', async () => {
    const got = await client.refunds.retrieve(refund_id);
    return got.status !== 'pending' && got;
  });
  assert.deepEqual([refund.status, refund.amount, refund.is_partial], ['succeeded', 700, true]);
  await assert.rejects(client.refunds.create({ payment_id }), error => error.error.code === 'NOTHING_TO_REFUND');
  assert.equal((await walletOf(id)).balance, 0);
});

for (const [method, status, balance] of [
  ['pm_sandbox_dispute_won', 'dispute_won', 1000], ['pm_sandbox_dispute_lost', 'dispute_lost', 0],
]) {
  test(`a bank asks for a top-up: ${status}`, async () => {
    const { clock, id, payment_id } = await toppedUp(method);
    assert.equal((await walletOf(id)).balance, 1000);
    await advance(clock, 1.5);
    const [opened] = (await client.disputes.list({ customer_id: id })).items;
    assert.deepEqual([opened.payment_id, opened.amount, opened.dispute_status], [payment_id, '1000', 'dispute_opened']);
    assert.equal((await client.disputes.retrieve(opened.dispute_id)).held_amount, 1000);
    await assert.rejects(client.customers.wallets.ledgerEntries.create(id, {
      amount: 1, currency: 'USD', entry_type: 'debit', reason: 'spent', idempotency_key: 'spent',
    }), error => error.error.code === 'INSUFFICIENT_WALLET_FUNDS');
    await advance(clock, 3);
    assert.equal((await client.disputes.retrieve(opened.dispute_id)).dispute_status, status);
    assert.equal((await walletOf(id)).balance, balance);
    assert.equal((await client.payments.retrieve(payment_id)).dispute_status, status);
  });
}
