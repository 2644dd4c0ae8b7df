//! What a response says about when to come back.
