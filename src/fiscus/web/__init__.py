"""The approver's pages, and the same over JSON: understand, trust, sign."""
