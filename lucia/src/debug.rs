/// Implements `Debug`, which shows these fields alone: the others hold what logs must not show.
macro_rules! debug_of {
    ($($row:ident $(<$($life:lifetime)? $(,)? $($param:ident)?>)? $(: $($field:ident),+)?);+ $(;)?) => {$(
        impl$($(<$param>)?)? std::fmt::Debug for $row$(<$($life,)? $($param)?>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($row))
                    $($(.field(stringify!($field), &self.$field))+)?
                    .finish_non_exhaustive()
            }
        }
    )+};
}
