package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/billfold/billfold/internal/money"
)

// home is where a customer lives: what they are called and what they pay in.
type home struct {
	currency   money.Currency
	unit       money.Amount // the grain of amounts: a dollar, or about as much in paise
	bonus      money.Amount
	phone      func(*rand.Rand) string
	firstNames []string
	lastNames  []string
}

// sizes are how big customers are, in hundredths of the usual one.
var sizes = []struct {
	name  string
	scale money.Amount
}{
	{"starter", 40}, {"starter", 55}, {"starter", 70}, {"pro", 100}, {"pro", 130}, {"team", 300}, {"scale", 900},
}

var homes = []home{
	{
		currency: "USD", unit: 100, bonus: 1000,
		// 555-01xx is set aside for numbers that belong to nobody.
		phone: func(random *rand.Rand) string {
			return fmt.Sprintf("+1%d55501%02d", 201+random.IntN(700), random.IntN(100))
		},
		firstNames: []string{
			"Amelia", "Benjamin", "Chloe", "Daniel", "Elena", "Felix", "Grace", "Henry", "Isabel", "Jonas",
			"Katherine", "Liam", "Maya", "Noah", "Olivia", "Peter", "Quinn", "Rosa", "Samuel", "Tessa",
			"Umar", "Victoria", "William", "Ximena", "Yusuf", "Zoe", "Marcus", "Nadia", "Oscar", "Priscilla",
		},
		lastNames: []string{
			"Adams", "Brooks", "Castillo", "Dawson", "Ellison", "Foster", "Garcia", "Hughes", "Iverson", "Jensen",
			"Keller", "Lindqvist", "Moreau", "Nakamura", "O'Connor", "Park", "Quigley", "Ramirez", "Schneider", "Tanaka",
			"Underwood", "Vasquez", "Whitaker", "Young", "Zimmermann", "Okafor", "Petrov", "Rossi", "Silva", "Novak",
		},
	},
	{
		currency: "INR", unit: 8000, bonus: 50000,
		// No Indian number begins with 0, so these belong to nobody either.
		phone: func(random *rand.Rand) string { return fmt.Sprintf("+9100000%05d", random.IntN(100_000)) },
		firstNames: []string{
			"Aarav", "Bhavna", "Chirag", "Diya", "Eshan", "Farah", "Gaurav", "Harini", "Ishaan", "Jyoti",
			"Kavya", "Lakshmi", "Manish", "Neha", "Om", "Pooja", "Rahul", "Saanvi", "Tanvi", "Uday",
			"Varun", "Yamini", "Zoya", "Ananya", "Rohan",
		},
		lastNames: []string{
			"Agarwal", "Banerjee", "Chatterjee", "Desai", "Fernandes", "Gupta", "Iyer", "Joshi", "Kapoor", "Menon",
			"Nair", "Patel", "Rao", "Reddy", "Sharma", "Singh", "Subramanian", "Thakur", "Varma", "Yadav",
		},
	},
}

func homeOf(currency money.Currency) home {
	for _, home := range homes {
		if home.currency == currency {
			return home
		}
	}
	return homes[0]
}

func other(h home) home {
	if h.currency == homes[0].currency {
		return homes[1]
	}
	return homes[0]
}

// mailHosts are set aside for examples; mail to them reaches nobody.
var mailHosts = []string{"example.com", "example.org", "example.net"}

func emailOf(first, last string, number int) string {
	local := strings.ToLower(first + "." + strings.ReplaceAll(last, "'", ""))
	return fmt.Sprintf("%s%d@%s", local, number, mailHosts[number%len(mailHosts)])
}
