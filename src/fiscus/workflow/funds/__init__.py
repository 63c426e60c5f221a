"""Money in the books: budgets of units by period and fund, cash, and where the money of a proposal stands. Double entry in minor units."""
