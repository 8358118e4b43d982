package money

// symbols are the signs of currencies that have one for themselves here. Amounts in
// others carry the currency's code.
var symbols = map[Currency]string{"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}

// Display writes an amount as people expect it on paper: "₹12.34", "-$0.05", "1234 JPY".
func Display(amount Amount, currency Currency) string {
	if symbols[currency] == "" {
		return Format(amount, currency)
	}
	return DisplayShort(amount, currency)
}

// DisplayShort is [Display] without the code of a currency that has no sign, for narrow
// columns under a head that names it.
func DisplayShort(amount Amount, currency Currency) string {
	text := FormatDecimal(amount, currency)
	if amount < 0 {
		return "-" + symbols[currency] + text[1:]
	}
	return symbols[currency] + text
}
