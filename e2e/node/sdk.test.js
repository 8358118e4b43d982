// The npm client "dodopayments", unmodified, against a real server. The functions
// of the first part are the examples of the published page on customer wallets.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import DodoPayments from 'dodopayments';

// traffic counts round trips and can lose answers after the server gave them.
const traffic = { trips: 0, lose: 0 };

async function countingFetch(url, init) {
  traffic.trips++;
  const answer = await fetch(url, init);
  if (traffic.lose > 0) {
    traffic.lose--;
    await answer.arrayBuffer();
    throw new TypeError('the answer was lost on the way');
  }
  return answer;
}

// Base URL and key come from the environment, as the page of the SDK says.
const client = new DodoPayments({
  bearerToken: process.env.DODO_PAYMENTS_API_KEY,
  fetch: countingFetch,
});

async function newCustomer(name = 'Jane Doe') {
  return client.customers.create({ email: 'jane@example.com', name });
}

async function balanceOf(customerId, currency = 'USD') {
  const wallets = await client.customers.wallets.list(customerId);
  return wallets.items.find(w => w.currency === currency).balance;
}

async function thrown(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('got no error, want one');
}

async function roundTrips(action) {
  const before = traffic.trips;
  await action();
  return traffic.trips - before;
}

async function refundToWallet(customerId, refundAmount, originalPaymentId) {
  await client.customers.wallets.ledgerEntries.create(customerId, {
    amount: refundAmount,
    currency: 'USD',
    entry_type: 'credit',
    reason: `Refund for payment ${originalPaymentId}`,
    idempotency_key: `refund_${originalPaymentId}`,
  });
}

async function addWelcomeBonus(customerId) {
  await client.customers.wallets.ledgerEntries.create(customerId, {
    amount: 1000,
    currency: 'USD',
    entry_type: 'credit',
    reason: 'Welcome bonus - $10 promotional balance',
    idempotency_key: `welcome_${customerId}`,
  });
}

async function deductForPurchase(customerId, purchaseAmount, purchaseId) {
  try {
    await client.customers.wallets.ledgerEntries.create(customerId, {
      amount: purchaseAmount,
      currency: 'USD',
      entry_type: 'debit',
      reason: `Subscription charge - monthly billing`,
      idempotency_key: `charge_${purchaseId}`,
    });
  } catch (error) {
    if (error.status === 400) {
      return 'Insufficient wallet balance';
    }
    throw error;
  }
  return 'charged';
}

async function addFundsSafely(customerId, amount, reason, idempotencyKey) {
  try {
    const result = await client.customers.wallets.ledgerEntries.create(customerId, {
      amount: amount,
      currency: 'USD',
      entry_type: 'credit',
      reason: reason,
      idempotency_key: idempotencyKey,
    });
    return { success: true, wallet: result };
  } catch (error) {
    if (error.status === 409) {
      return { success: true, wallet: null, duplicate: true };
    }
    throw error;
  }
}

async function checkBalanceBeforeOperation(customerId, requiredAmount) {
  const wallets = await client.customers.wallets.list(customerId);
  const usdWallet = wallets.items.find(w => w.currency === 'USD');
  if (!usdWallet || usdWallet.balance < requiredAmount) {
    throw new Error('Insufficient funds for this operation');
  }
  return usdWallet.balance;
}

test('a new customer has a wallet for each currency, at zero', async () => {
  const customer = await newCustomer();
  assert.match(customer.customer_id, /^cus_\w{21}$/);
  const wallets = await client.customers.wallets.list(customer.customer_id);
  assert.deepEqual(wallets.items.map(w => [w.currency, w.balance]).sort(), [['INR', 0], ['USD', 0]]);
  assert.equal(wallets.total_balance_usd, 0);
});

test('refund to wallet, welcome bonus, deduction and the check before it', async () => {
  const { customer_id: id } = await newCustomer();
  await refundToWallet(id, 2500, 'pay_1');
  await addWelcomeBonus(id);
  assert.equal(await balanceOf(id), 3500);
  assert.equal(await checkBalanceBeforeOperation(id, 3500), 3500);
  await assert.rejects(checkBalanceBeforeOperation(id, 3501), /Insufficient funds/);
  assert.equal(await deductForPurchase(id, 3000, 'buy_1'), 'charged');
  assert.equal(await deductForPurchase(id, 501, 'buy_2'), 'Insufficient wallet balance');
  assert.equal(await balanceOf(id), 500);
});

test('a refused charge does not use up its key', async () => {
  const { customer_id: id } = await newCustomer();
  assert.equal(await deductForPurchase(id, 900, 'buy'), 'Insufficient wallet balance');
  await addWelcomeBonus(id);
  assert.equal(await deductForPurchase(id, 900, 'buy'), 'charged');
  assert.equal(await balanceOf(id), 100);
});

test('prepaid deposits, charges and the low balance', async () => {
  const { customer_id: id } = await newCustomer();
  await client.customers.wallets.ledgerEntries.create(id, {
    amount: 5000, currency: 'USD', entry_type: 'credit',
    reason: 'Account funding - prepaid deposit', idempotency_key: 'deposit_1',
  });
  const wallet = await client.customers.wallets.ledgerEntries.create(id, {
    amount: 1500, currency: 'USD', entry_type: 'debit',
    reason: 'Service purchase - monthly subscription', idempotency_key: 'purchase_1',
  });
  assert.equal(wallet.balance, 3500);
  assert.equal(wallet.customer_id, id);
  assert.equal(await balanceOf(id), 3500);
});

test('USD in cents and INR in paise stay apart', async () => {
  const { customer_id: id } = await newCustomer();
  const credits = [['USD', 20000, 'usd_deposit_1'], ['INR', 1500000, 'inr_deposit_1']];
  for (const [currency, amount, idempotency_key] of credits) {
    await client.customers.wallets.ledgerEntries.create(id, {
      amount, currency, entry_type: 'credit', reason: `${currency} account funding`, idempotency_key,
    });
  }
  assert.equal(await balanceOf(id, 'USD'), 20000);
  assert.equal(await balanceOf(id, 'INR'), 1500000);
  const inr = await client.customers.wallets.ledgerEntries.list(id, { currency: 'INR', page_number: 0 });
  assert.deepEqual(inr.items.map(e => [e.currency, e.amount, e.is_credit]), [['INR', 1500000, true]]);
});

test('a duplicate is a 409 within one round trip, and the page takes it for success', async () => {
  const { customer_id: id } = await newCustomer();
  assert.equal((await addFundsSafely(id, 700, 'top-up', 'top_up_1')).wallet.balance, 700);
  let answer;
  const trips = await roundTrips(async () => {
    answer = await addFundsSafely(id, 700, 'top-up', 'top_up_1');
  });
  assert.deepEqual(answer, { success: true, wallet: null, duplicate: true });
  assert.equal(trips, 1);
  assert.equal(await balanceOf(id), 700);
});

test('the 409 carries the first entry and the wallet', async () => {
  const { customer_id: id } = await newCustomer();
  await refundToWallet(id, 100, 'pay_9');
  const error = await thrown(refundToWallet(id, 100, 'pay_9'));
  assert.ok(error instanceof DodoPayments.ConflictError);
  assert.equal(error.error.code, 'DUPLICATE_IDEMPOTENCY_KEY');
  assert.equal(error.error.ledger_entry.amount, 100);
  assert.equal(error.error.wallet.balance, 100);
});

test('another request under a used key is refused as such', async () => {
  const { customer_id: id } = await newCustomer();
  await refundToWallet(id, 100, 'pay_1');
  const error = await thrown(refundToWallet(id, 101, 'pay_1'));
  assert.equal(error.status, 422);
  assert.equal(error.error.code, 'IDEMPOTENCY_KEY_REUSED');
  assert.equal(await balanceOf(id), 100);
});

test('insufficient funds are a 400 within one round trip', async () => {
  const { customer_id: id } = await newCustomer();
  let error;
  const trips = await roundTrips(async () => {
    error = await thrown(client.customers.wallets.ledgerEntries.create(id, {
      amount: 1, currency: 'USD', entry_type: 'debit', idempotency_key: 'k',
    }));
  });
  assert.ok(error instanceof DodoPayments.BadRequestError);
  assert.equal(error.error.code, 'INSUFFICIENT_WALLET_FUNDS');
  assert.ok(error.message.includes('Insufficient'));
  assert.equal(trips, 1);
});

test('the client sends a lost request again, without a second effect', async () => {
  const { customer_id: id } = await newCustomer();
  let wallet;
  traffic.lose = 2;
  const trips = await roundTrips(async () => {
    wallet = await client.customers.wallets.ledgerEntries.create(id, {
      amount: 700, currency: 'USD', entry_type: 'credit', idempotency_key: 'lost',
    });
  });
  assert.equal(trips, 3);
  assert.equal(wallet.balance, 700);
  assert.equal(await balanceOf(id), 700);
});

test('a lost request without a key is not guessed at', async () => {
  const { customer_id: id } = await newCustomer();
  traffic.lose = 1;
  const error = await thrown(client.customers.wallets.ledgerEntries.create(id, {
    amount: 50, currency: 'USD', entry_type: 'credit',
  }));
  assert.equal(error.status, 422);
  assert.equal(error.error.code, 'IDEMPOTENCY_KEY_REQUIRED');
  assert.equal(await balanceOf(id), 50);
});

test('a customer whose answer was lost is made once', async () => {
  traffic.lose = 1;
  const customer = await newCustomer('Lost Once');
  const list = await client.customers.list({ name: 'Lost Once', page_number: 0 });
  assert.deepEqual(list.items.map(c => c.customer_id), [customer.customer_id]);
});

test('customers: update, retrieve, filters', async () => {
  const made = await newCustomer('Zoë Quill');
  const updated = await client.customers.update(made.customer_id, { name: 'Zoë Vale', metadata: { plan: 'pro', seats: 3 } });
  assert.equal(updated.name, 'Zoë Vale');
  const read = await client.customers.retrieve(made.customer_id);
  assert.deepEqual(read.metadata, { plan: 'pro', seats: 3 });
  const found = await client.customers.list({ name: 'zoë v', page_number: 0 });
  assert.deepEqual(found.items.map(c => c.customer_id), [made.customer_id]);
  const error = await thrown(client.customers.retrieve('cus_doesNotExist000000000'));
  assert.ok(error instanceof DodoPayments.NotFoundError);
});

for (const [name, query] of [
  ['without a page number', { page_size: 10 }],
  ['without any parameter', {}],
  ['with page number 0', { page_number: 0, page_size: 10 }],
]) {
  test(`auto-paging over 35 entries meets each exactly once, ${name}`, async () => {
    const { customer_id: id } = await newCustomer();
    for (let i = 1; i <= 35; i++) {
      await client.customers.wallets.ledgerEntries.create(id, {
        amount: i, currency: 'USD', entry_type: 'credit', idempotency_key: `k${i}`,
      });
    }
    const amounts = [];
    for await (const entry of client.customers.wallets.ledgerEntries.list(id, query)) {
      amounts.push(entry.amount);
    }
    assert.deepEqual(amounts, Array.from({ length: 35 }, (_, i) => 35 - i));
  });
}

test('test and live mode share nothing', async () => {
  const { customer_id: id } = await newCustomer();
  const live = new DodoPayments({ bearerToken: process.env.BILLFOLD_LIVE_KEY });
  const error = await thrown(live.customers.retrieve(id));
  assert.equal(error.status, 404);
  const wrong = new DodoPayments({ bearerToken: 'bf_test_' + 'x'.repeat(43) });
  assert.ok((await thrown(wrong.customers.list())) instanceof DodoPayments.AuthenticationError);
});
