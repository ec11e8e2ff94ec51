"""What `zsad doctor` looks at: environment, machine, services, and every stored file with a digest."""

from pipeline.doctor.examination import examine
from pipeline.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
