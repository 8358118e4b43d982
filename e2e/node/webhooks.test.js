// The webhooks of the npm client "dodopayments", unmodified, against a real server.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import DodoPayments from 'dodopayments';
import { Webhook } from 'standardwebhooks';

const client = new DodoPayments({ bearerToken: process.env.DODO_PAYMENTS_API_KEY });
const url = 'https://example.com/hook';

test('a webhook is made, changed, read and deleted', async () => {
  const made = await client.webhooks.create({
    url, description: 'Accounting', filter_types: ['payment.succeeded'], headers: { 'X-Shop': '7' },
    metadata: { team: 'ledger' }, rate_limit: 5, idempotency_key: 'hook_1',
  });
  assert.match(made.id, /^whk_\w{21}$/);
  assert.deepEqual(
    [made.url, made.description, made.disabled, made.filter_types, made.metadata, made.rate_limit],
    [url, 'Accounting', false, ['payment.succeeded'], { team: 'ledger' }, 5]);
  const updated = await client.webhooks.update(made.id, { disabled: true, description: null, rate_limit: 0 });
  assert.deepEqual([updated.disabled, updated.description, updated.rate_limit], [true, 'Accounting', null]);
  assert.deepEqual(await client.webhooks.retrieve(made.id), updated);
  await client.webhooks.headers.update(made.id, { headers: { Authorization: 'Bearer abc' } });
  assert.deepEqual(await client.webhooks.headers.retrieve(made.id), { headers: { 'X-Shop': '7' }, sensitive: ['Authorization'] });
  await client.webhooks.delete(made.id);
  await assert.rejects(client.webhooks.retrieve(made.id), DodoPayments.NotFoundError);
});

test('auto-paging over webhooks meets each exactly once', async () => {
  const made = [];
  for (let i = 0; i < 5; i++) {
    made.push((await client.webhooks.create({ url: `${url}/${i}` })).id);
  }
  for (const limit of [1, 2, 50]) {
    const met = [];
    for await (const webhook of client.webhooks.list({ limit })) {
      met.push(webhook.id);
    }
    assert.deepEqual(met.filter(id => made.includes(id)), [...made].sort());
    assert.equal(new Set(met).size, met.length);
  }
  const page = await client.webhooks.list({ iterator: 'iterator', limit: 0 });
  assert.deepEqual(page.data, []);
});

test('a URL that leads inside is refused', async () => {
  await assert.rejects(client.webhooks.create({ url: 'https://127.0.0.1/' }), error => {
    assert.equal(error.status, 422);
    assert.equal(error.error.code, 'INVALID_WEBHOOK_URL');
    return true;
  });
});

test('the secret verifies what is signed with it', async () => {
  const { id } = await client.webhooks.create({ url });
  const { secret } = await client.webhooks.retrieveSecret(id);
  const body = '{"type":"wallet.credited","data":{}}';
  const at = new Date();
  const headers = {
    'webhook-id': 'evt_1', 'webhook-timestamp': `${Math.floor(at / 1000)}`,
    'webhook-signature': new Webhook(secret).sign('evt_1', at, body),
  };
  assert.equal(client.webhooks.unwrap(body, { headers, key: secret }).type, 'wallet.credited');
  assert.throws(() => client.webhooks.unwrap(body + ' ', { headers, key: secret }));
});
