"""From a chosen allocation to a signed decision: proposals, authority, duties, funds, audit (§6). Never imports a solver."""
