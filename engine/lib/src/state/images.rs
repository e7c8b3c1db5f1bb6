//! Images, their names and their layers as the database knows them.
