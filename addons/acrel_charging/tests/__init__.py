from . import (
    test_access,
    test_curve,
    test_energy_outside,
    test_faults,
    test_guard,
    test_hold,
    test_pile,
    test_portal,
    test_session,
)
