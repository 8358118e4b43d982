import type { components } from "../generated/schema";

type Schemas = components["schemas"];
export type Customer = Schemas["Customer"];
export type Wallet = Schemas["Wallet"];
export type WalletAsOf = Schemas["WalletAsOf"];
export type WalletList = Schemas["WalletList"];
export type WalletHistory = Schemas["WalletHistory"];
export type WalletDay = Schemas["WalletDay"];
export type PostedWallet = Schemas["PostedWallet"];
export type Entry = Schemas["LedgerEntry"];
export type EntryRequest = Schemas["LedgerEntryRequest"];
export type Lot = Schemas["Lot"];
export type LotList = Schemas["LotList"];
export type Hold = Schemas["Hold"];
export type Payment = Schemas["PaymentListItem"];
export type PaymentDetail = Schemas["Payment"];
export type Invoice = Schemas["Invoice"];
export type Refund = Schemas["RefundListItem"];
export type Subscription = Schemas["SubscriptionListItem"];
export type Event = Schemas["Event"];
export type Webhook = Schemas["Webhook"];
export type Delivery = Schemas["Delivery"];
export type AuditEntry = Schemas["BusinessAuditEntry"];
export type CustomerAuditEntry = Schemas["AuditEntry"];
export type Business = Schemas["Business"];
export type Currency = Schemas["Currency"];

export type Dispute = Schemas["DisputeListItem"];
export type DisputeDetail = Schemas["Dispute"];
export type Product = Schemas["ProductListItem"];
export type ProductDetail = Schemas["Product"];
export type Processor = Schemas["Processor"];
export type ProcessorNotification = Schemas["ProcessorNotification"];
export type LiabilityRow = Schemas["LiabilityRow"];
export type AgeingRow = Schemas["AgeingRow"];
export type BreakageRow = Schemas["BreakageRow"];
export type BalanceTrendRow = Schemas["BalanceTrendRow"];
export type CohortRow = Schemas["CohortRow"];
export type TrialBalanceRow = Schemas["TrialBalanceRow"];

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

// What the server answers under /dashboard/api, which the contract does not have: it is
// for this page alone.
export type Role = "owner" | "admin" | "support" | "finance" | "read_only";
export type Area = "customers" | "money" | "billing" | "refunds" | "products" | "webhooks" | "settings" | "team" | "own";

export interface User {
  user_id: string;
  email: string;
  name: string;
  second_factor: boolean;
  recovery_codes: number;
  created_at: string;
  signed_in_at: string | null;
}

export interface Membership {
  business_id: string;
  name: string;
  role: Role;
  may: Area[];
}

export interface Session {
  session_id: string;
  created_at: string;
  expires_at: string;
  user: User;
  businesses: Membership[];
}

export interface Member {
  user_id: string;
  email: string;
  name: string;
  role: Role;
  second_factor: boolean;
  created_at: string;
  signed_in_at: string | null;
}

export interface Invitation {
  invitation_id: string;
  email: string | null;
  role: Role;
  invited_by: string;
  created_at: string;
  expires_at: string;
  link?: string;
}

export interface InvitationSeen {
  email: string | null;
  role: Role;
  business_id: string;
  business_name: string;
  expires_at: string;
}

export interface SessionItem {
  session_id: string;
  address: string;
  agent: string;
  created_at: string;
  expires_at: string;
  current: boolean;
}
