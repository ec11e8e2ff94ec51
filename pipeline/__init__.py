"""The zero-shot anomaly detection benchmark of AnomalyCLIP (ICLR 2024): regenerated, extended, checked."""
