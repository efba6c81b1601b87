//! Who may connect: token, user and password
