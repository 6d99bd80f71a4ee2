"""How dates are written where nobody says otherwise: the admin sites above all."""
