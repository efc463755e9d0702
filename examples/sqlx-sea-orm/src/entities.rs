//! What sea-orm knows of the tables.

/// The application's view of lucia's table of users.
pub mod user {
    use sea_orm::entity::prelude::*;

    /// A user. Lucia writes these rows; the application only reads them here.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "auth_user")]
    pub struct Model {
        /// `UserId` as text.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// A column of the application.
        pub username: String,
    }

    /// How users relate to other tables.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        /// A user has notes.
        #[sea_orm(has_many = "super::note::Entity")]
        Notes,
    }

    impl Related<super::note::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Notes.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A table of the application.
pub mod note {
    use sea_orm::entity::prelude::*;

    /// A note of a user.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        /// Given by the database.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// `UserId` as text.
        pub user_id: String,
        /// What it says.
        pub body: String,
    }

    /// How notes relate to other tables.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        /// A note belongs to a user.
        #[sea_orm(
            belongs_to = "super::user::Entity",
            from = "Column::UserId",
            to = "super::user::Column::Id"
        )]
        User,
    }

    impl Related<super::user::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::User.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}
