//! A queue that can be left from anywhere, in a few steps, however long it is.

/// A queue: a list whose nodes are kept in one vector, and used again.
pub(super) struct Places<T> {
    nodes: Vec<Node<T>>,
    first: Option<usize>,
    last: Option<usize>,
    /// The first node that is not used. The next one is behind it.
    unused: Option<usize>,
    len: usize,
    #[cfg(test)]
    steps: usize,
}

struct Node<T> {
    value: Option<T>,
    before: Option<usize>,
    behind: Option<usize>,
    /// How often it was left. A place is known by it when another one has the node.
    left: u64,
}

/// A place in a queue, or one that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    node: usize,
    left: u64,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            first: None,
            last: None,
            unused: None,
            len: 0,
            #[cfg(test)]
            steps: 0,
        }
    }
}

impl<T> Places<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The last place.
    pub(super) fn push_back(&mut self, value: T) -> Place {
        let last = self.last;
        let at = self.add(value, last, None);
        self.link(last, Some(at));
        self.link(Some(at), None);
        self.place(at)
    }

    /// The first place.
    pub(super) fn push_front(&mut self, value: T) -> Place {
        let first = self.first;
        let at = self.add(value, None, first);
        self.link(None, Some(at));
        self.link(Some(at), first);
        self.place(at)
    }

    /// Takes the first one out.
    pub(super) fn pop_front(&mut self) -> Option<T> {
        let first = self.first?;
        self.take(first)
    }

    /// Takes out the one that has this place, if it was not taken out before.
    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        let is_theirs = self.nodes.get(place.node)?.left == place.left;
        if is_theirs {
            self.take(place.node)
        } else {
            None
        }
    }

    fn place(&mut self, node: usize) -> Place {
        let left = self.node(node).left;
        Place { node, left }
    }

    fn add(&mut self, value: T, before: Option<usize>, behind: Option<usize>) -> usize {
        self.len += 1;
        let value = Some(value);
        if let Some(at) = self.unused {
            let node = self.node(at);
            let next = node.behind;
            *node = Node {
                value,
                before,
                behind,
                left: node.left,
            };
            self.unused = next;
            return at;
        }
        self.nodes.push(Node {
            value,
            before,
            behind,
            left: 0,
        });
        self.nodes.len() - 1
    }

    fn take(&mut self, at: usize) -> Option<T> {
        let unused = self.unused;
        let node = self.node(at);
        let value = node.value.take()?;
        let (before, behind) = (node.before, node.behind);
        node.left += 1;
        node.behind = unused;
        self.unused = Some(at);
        self.link(before, behind);
        self.len -= 1;
        Some(value)
    }

    /// Makes two neighbours, or one of them the first or last.
    fn link(&mut self, before: Option<usize>, behind: Option<usize>) {
        match before {
            Some(before) => self.node(before).behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => self.node(behind).before = before,
            None => self.last = before,
        }
    }

    fn node(&mut self, at: usize) -> &mut Node<T> {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        &mut self.nodes[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Places<T> {
        /// How many nodes were touched since the last call.
        pub(in crate::store::postgres::lookups) fn steps(&mut self) -> usize {
            std::mem::take(&mut self.steps)
        }
    }

    fn all(places: &mut Places<u32>) -> Vec<u32> {
        std::iter::from_fn(|| places.pop_front()).collect()
    }

    #[test]
    fn they_come_out_in_the_order_of_their_places() {
        let mut places = Places::default();
        for value in 0..3 {
            places.push_back(value);
        }
        for value in [10, 11] {
            places.push_front(value);
        }
        assert_eq!(places.len(), 5);
        assert_eq!(all(&mut places), [11, 10, 0, 1, 2]);
        assert_eq!(places.len(), 0);
    }

    #[test]
    fn a_place_is_left_from_anywhere_and_once() {
        for left in 0..4 {
            let mut places = Places::default();
            let taken: Vec<_> = (0..4).map(|value| places.push_back(value)).collect();
            let place = taken[usize::try_from(left).unwrap()];
            assert_eq!(places.remove(place), Some(left));
            assert_eq!(places.remove(place), None);
            // Another one has the node now.
            places.push_back(9);
            assert_eq!(places.remove(place), None);
            let rest: Vec<_> = (0..4).filter(|value| *value != left).chain([9]).collect();
            assert_eq!(all(&mut places), rest);
        }
    }

    #[test]
    fn nodes_are_used_again() {
        let mut places = Places::default();
        for value in 0..100 {
            let place = places.push_back(value);
            places.push_front(value);
            places.remove(place);
            places.pop_front();
        }
        assert_eq!(places.nodes.len(), 2);
    }
}
